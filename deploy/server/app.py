"""The application: routes, and what every answer carries."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect

from deploy.server.gate import bearer_token
from deploy.server.refusal import Reason, RefusedError
from deploy.server.service import Service
from deploy.server.session import Session
from deploy.server.settings import ServerSettings
from deploy.server.upload import Upload
from deploy.stream.detector import Detector
from deploy.stream.live_options import SampleFormat
from deploy.stream.samples import MAX_RATE, MIN_RATE

PAGE = Path(__file__).with_name("page")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def create_app(detector: Detector, settings: ServerSettings) -> FastAPI:
    """The application around a detector; ``app.state.service`` is what its clients share."""
    service = Service(detector, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # The pages of API documentation would load scripts from elsewhere.
    app = FastAPI(title="spoofsweep", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization"],
    )
    app.middleware("http")(_with_headers)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(ClientDisconnect, _unheard)
    _add_scoring(app, service)
    _add_operations(app, service)
    app.mount("/page", StaticFiles(directory=PAGE))
    return app


def _add_scoring(app: FastAPI, service: Service) -> None:
    @app.post("/v1/score")
    async def score(
        request: Request,
        sample_format: Annotated[SampleFormat | None, Query(alias="format")] = None,
        sample_rate: Annotated[int | None, Query(ge=MIN_RATE, le=MAX_RATE)] = None,
        windows: bool = False,
    ) -> dict[str, Any]:
        """The verdict on the body: an audio file, or raw mono samples of `format` and `sample_rate`."""
        return await Upload(service, sample_format, sample_rate).verdict(request, windows)

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await Session(service, socket).run()

    @app.get("/v1/detector")
    async def detector() -> dict[str, Any]:
        """What listens here, and the limits."""
        return service.describe()


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        """Whether the process answers."""
        return {"healthy": True}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, Any]:
        """Whether another stream would be taken."""
        streams = service.gate.streams
        response.status_code = 503 if streams.is_full else 200
        return {"ready": not streams.is_full, "streams": streams.taken, "max_streams": streams.size}

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Prometheus text format."""
        service.gate.check_token(bearer_token(request.headers))
        return Response(service.metrics.exposition(), media_type=_EXPOSITION)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")


async def _with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    request.app.state.service.metrics.reject(error.reason)
    headers = {"WWW-Authenticate": "Bearer"} if error.reason.http_status == 401 else {}
    return JSONResponse(error.to_message(), error.reason.http_status, headers)


async def _misread(request: Request, error: Exception) -> JSONResponse:
    """A parameter of the query, told as every other mistake."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    rule = f"{first['loc'][-1]}: {first['msg']}"
    return await _refused(request, RefusedError(Reason.MESSAGE, rule, first["input"], "correct the query"))


async def _unheard(request: Request, error: Exception) -> Response:
    """Whoever left during an upload; the status is nginx's, and nobody reads it."""
    return Response(status_code=499)
