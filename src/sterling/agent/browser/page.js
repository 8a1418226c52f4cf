// Runs in every page before its own scripts: numbers elements, observes them, and logs events.
(() => {
  const MOST_TEXT = 200;
  const SELECTABLE =
    'a,button,input,select,option,textarea,label,summary,[role],[onclick],[contenteditable=""],' +
    '[contenteditable=true],[tabindex]';
  const MADE_ID = /^ui-id-\d+$/; // jQuery UI counts on from one problem to the next
  let refs = new Map();
  let numbers = new WeakMap();
  let next = 1;
  let last = null; // last pointer event of the user

  const cut = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, MOST_TEXT);

  function number(element) {
    let ref = numbers.get(element);
    if (ref === undefined) {
      ref = next++;
      numbers.set(element, ref);
    }
    refs.set(ref, element);
    return ref;
  }

  function find(ref) {
    const element = refs.get(ref);
    return element && element.isConnected ? element : null;
  }

  function boxOf(element) {
    const shown = element.tagName === 'OPTION' ? element.closest('select') || element : element;
    const box = shown.getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
  }

  function isVisible(element, box) {
    if (box[2] - box[0] < 1 || box[3] - box[1] < 1) return false;
    if (box[2] <= 0 || box[3] <= 0) return false;
    if (box[0] >= innerWidth || box[1] >= innerHeight) return false;
    const style = getComputedStyle(element);
    return style.visibility !== 'hidden' && style.display !== 'none' && style.opacity !== '0';
  }

  const middle = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];

  function covers(top, element) {
    if (!top) return null;
    if (element.tagName === 'OPTION') element = element.closest('select') || element;
    if (top === element || element.contains(top) || top.contains(element)) return null;
    const label = top.closest && top.closest('label');
    return label && label.control === element ? null : top;
  }

  function ownText(element) {
    let text = '';
    for (const child of element.childNodes) if (child.nodeType === 3) text += child.data;
    return cut(text);
  }

  function nameOf(element) {
    const given = element.getAttribute('aria-label') || element.getAttribute('placeholder');
    if (given) return cut(given);
    if (element.labels && element.labels.length) return cut(element.labels[0].textContent);
    const before = element.previousElementSibling;
    return before && !before.matches('input,textarea,select,br') ? cut(before.textContent) : '';
  }

  function textOf(element) {
    if (element.matches('input[type=button],input[type=submit],input[type=reset]'))
      return cut(element.value);
    if (element.matches('input,textarea,select')) return '';
    return cut(element.textContent);
  }

  function stateOf(element) {
    if (element.matches('input[type=checkbox],input[type=radio]'))
      return { value: '', checked: element.checked };
    if (element.tagName === 'OPTION') return { value: '', checked: element.selected };
    if (element.matches('input,textarea,select'))
      return { value: String(element.value).slice(0, 2000), checked: null };
    if (element.isContentEditable) return { value: element.innerText, checked: null };
    const chosen = element.getAttribute('aria-checked') || element.getAttribute('aria-selected');
    return { value: '', checked: chosen === null ? null : chosen === 'true' };
  }

  function describe(element, box) {
    const [x, y] = middle(box);
    const inside = x >= 0 && y >= 0 && x < innerWidth && y < innerHeight;
    const tag = element.tagName.toLowerCase();
    return {
      ref: number(element),
      tag,
      kind: tag === 'input' ? element.type : element.getAttribute('role') || '',
      text: textOf(element),
      name: nameOf(element),
      box,
      ...stateOf(element),
      focused: document.activeElement === element,
      disabled: element.disabled === true,
      covered: inside && covers(document.elementFromPoint(x, y), element) !== null,
      attributes: cut(`${MADE_ID.test(element.id) ? '' : element.id} ${element.getAttribute('name') || ''} ` +
        `${typeof element.className === 'string' ? element.className : ''}`),
    };
  }

  function observe(hidden, most) {
    const elements = [];
    let more = 0;
    for (const element of document.body ? document.body.querySelectorAll('*') : []) {
      if (hidden && element.closest(hidden)) continue;
      if (!element.matches(SELECTABLE) && !ownText(element)) {
        if (element.tagName !== 'CANVAS' && !(element instanceof SVGElement)) continue;
      }
      const box = boxOf(element);
      if (!isVisible(element.tagName === 'OPTION' ? element.parentElement : element, box)) continue;
      if (elements.length >= most) more += 1;
      else elements.push(describe(element, box));
    }
    return {
      url: location.href,
      title: document.title.slice(0, MOST_TEXT),
      scroll: [scrollX, scrollY],
      elements,
      more,
    };
  }

  // A point that the pointer can reach an element at: its centre, or another where that is covered.
  function locate(ref) {
    const element = find(ref);
    if (!element) return null;
    if (element.scrollIntoViewIfNeeded) element.scrollIntoViewIfNeeded();
    const box = boxOf(element);
    if (!isVisible(element.tagName === 'OPTION' ? element.parentElement : element, box)) return null;
    for (const share of [0.5, 0.25, 0.75, 0.1, 0.9]) {
      for (const other of [0.5, 0.25, 0.75, 0.1, 0.9]) {
        const x = box[0] + share * (box[2] - box[0]), y = box[1] + other * (box[3] - box[1]);
        const top = document.elementFromPoint(x, y);
        if (!top || covers(top, element) !== null) continue;
        if (top === element || !top.contains(element)) return [x, y];
      }
    }
    return middle(box);
  }

  function select(ref, texts) {
    let element = find(ref);
    if (!element) return 'gone';
    if (element.tagName === 'OPTION') {
      texts = [element.textContent];
      element = element.closest('select');
    }
    if (!element || element.tagName !== 'SELECT') return 'no list';
    const wanted = texts.map((text) => text.trim());
    const fits = (option) =>
      wanted.includes(option.textContent.trim()) || wanted.includes(option.value);
    if (![...element.options].some(fits)) return 'no option';
    for (const option of element.options) {
      if (element.multiple) option.selected = fits(option);
      else if (fits(option)) { option.selected = true; break; }
    }
    element.focus();
    element.dispatchEvent(new Event('input', { bubbles: true }));
    element.dispatchEvent(new Event('change', { bubbles: true }));
    return '';
  }

  function selectAll() {
    const element = document.activeElement;
    if (element && element.select) element.select();
    else if (element && element.isContentEditable) getSelection().selectAllChildren(element);
  }

  // Place that the pointer met last, and whether an element lies there.
  function met(ref) {
    if (!last) return null;
    const element = find(ref);
    const hit = element && (last.target === element || element.contains(last.target) ||
      (last.target.closest && last.target.closest('label') &&
        last.target.closest('label').control === element));
    return { x: last.x, y: last.y, hit: Boolean(hit), modal: Boolean(modalOf(last.target)) };
  }

  const MODAL = 'sterling-modal';
  const modalOf = (element) => element && element.closest && element.closest('#' + MODAL);

  function cover() {
    const modal = document.createElement('div');
    modal.id = MODAL;
    modal.setAttribute('role', 'dialog');
    modal.style.cssText = 'position:fixed;inset:0;z-index:99999;background:#fffffff0;' +
      'font:12px sans-serif;padding:8px';
    const words = document.createElement('p');
    words.textContent = 'We value your opinion';
    const close = document.createElement('button');
    close.textContent = 'Not now';
    close.onclick = uncover;
    modal.append(words, close);
    document.body.append(modal);
  }

  function uncover() {
    const modal = document.getElementById(MODAL);
    if (modal) modal.remove();
    return Boolean(modal);
  }

  function restart() {
    refs = new Map();
    numbers = new WeakMap();
    next = 1;
    last = null;
    uncover();
    if (document.activeElement && document.activeElement !== document.body)
      document.activeElement.blur();
    if (window.getSelection()) getSelection().removeAllRanges();
    scrollTo(0, 0);
  }

  // As after a page rendered itself again: no number that was given out names an element.
  function renumber() {
    refs = new Map();
    numbers = new WeakMap();
  }

  addEventListener('pointerdown', (event) => {
    last = { x: event.clientX, y: event.clientY, target: event.target };
  }, true);
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') uncover();
  }, true);

  Object.defineProperty(window, '__sterling', {
    value: Object.freeze({
      observe, locate, select, selectAll, met, cover, renumber, restart,
      focused: () => {
        const element = document.activeElement;
        return element && element !== document.body ? number(element) : null;
      },
      blur: () => {
        if (document.activeElement) document.activeElement.blur();
        getSelection().removeAllRanges(); // a selection takes text without the focus
      },
      toggled: (ref) => { const element = find(ref); return element ? stateOf(element).checked : null; },
      value: (ref) => { const element = find(ref); return element ? stateOf(element).value : null; },
      top: (x, y, ref) => {
        const element = find(ref), top = document.elementFromPoint(x, y);
        return Boolean(element) && covers(top, element) === null;
      },
      modal: (x, y) => Boolean(modalOf(document.elementFromPoint(x, y))),
    }),
  });
})();
