//! Health checks and metrics over HTTP.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet, yield_now};

use crate::proxy::Shared;

/// Connections at a time: a few probes and scrapers.
const CONNECTIONS_MAX: usize = 32;
/// How long a request may take to come.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request, of which only its first line is looked at.
const REQUEST_BYTES_MAX: usize = 16 << 10;
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until it is dropped.
///
/// Whoever can reach the address can hold connections to it. The oldest one makes room for one that
/// comes, so that a probe gets its answer, which takes less time than so many others need to come.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut by_age = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            crate::listen::pause_after_failed_accept().await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        by_age.retain(|connection: &AbortHandle| !connection.is_finished());
        if by_age.len() >= CONNECTIONS_MAX
            && let Some(oldest) = by_age.pop_front()
        {
            oldest.abort();
        }
        let shared = Arc::clone(&shared);
        by_age.push_back(connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&shared)));
            // A prober that goes away in the middle is nobody's concern.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(REQUEST_BYTES_MAX)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }));
        // It is looked at once before others can take its place.
        yield_now().await;
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"));
    }
    Ok(match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "alive\n"),
        "/readyz" => match shared.readiness().await {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => match shared.metrics.text() {
            Ok(metrics) => {
                let mut response = text(StatusCode::OK, metrics);
                let kind = HeaderValue::from_static(METRICS_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz and /metrics\n",
        ),
    })
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
