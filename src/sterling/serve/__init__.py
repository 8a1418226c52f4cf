"""A small web service: pages and a REST interface over what the command line does.

Liveness of a photograph, machine-written texts, watermarks, members of a training set, forgetting,
and the runs of a folder, each with the JSON document that ``sterling … --json`` writes. Files that
strangers upload are read in worker processes with a deadline, and are deleted with their answer.

Example::

    from sterling.serve import Settings, create_app

    app = create_app(Settings(runs=Path("runs")))  # an ASGI application
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; a worker process needs no web framework.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
