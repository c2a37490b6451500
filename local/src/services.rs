//! The AWS services of this machine behind one door: table, queues and mail, told apart as on AWS
//! by the request itself. Before them stands the [`crate::guard`].
//!
//! Two ways lead in: the SDK of a function in this process, without sockets ([`Services::client`]),
//! and a loopback port for functions that run as processes of their own.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::guard::{Call, Guard};
use crate::mail::{MailAnswer, Mails};
use crate::queues::Queues;
use crate::table::Table;

/// Table, queues and mail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// The table.
    pub table: Table,
    /// The queues.
    pub queues: Queues,
    /// The mail catcher.
    pub mails: Mails,
    /// Who may ask what of them.
    pub guard: Guard,
}

/// The largest request of any of the services: DynamoDB's 16 MB.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The service answered nothing: the caller sees a broken connection.
struct Silence;

impl Services {
    /// An HTTP client whose requests end here, whatever host they name.
    #[must_use]
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcess {
            services: self.clone(),
        })
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<String>, Silence> {
        let target = headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if let Some(operation) = target.strip_prefix("DynamoDB_20120810.") {
            if let Some(refusal) = self.guard.refusal(Call::Table(operation), headers, &body) {
                return Ok(refusal);
            }
            let (table, operation) = (self.table.clone(), operation.to_owned());
            let answer = blocking(move || table.call(&operation, &body)).await?;
            return Ok(response(
                answer.status,
                "application/x-amz-json-1.0",
                answer.body,
            ));
        }
        if let Some(operation) = target.strip_prefix("AmazonSQS.") {
            if let Some(refusal) = self.guard.refusal(Call::Queue(operation), headers, &body) {
                return Ok(refusal);
            }
            return self.answer_queue(operation, body).await;
        }
        if method == Method::POST && path == "/v2/email/outbound-emails" {
            if let Some(refusal) = self.guard.refusal(Call::Mail, headers, &body) {
                return Ok(refusal);
            }
            let mails = self.mails.clone();
            return match blocking(move || mails.send(&body)).await? {
                MailAnswer::Silence => Err(Silence),
                MailAnswer::Answer {
                    status,
                    body,
                    error,
                } => {
                    let mut answer = response(status, "application/json", body.to_string());
                    if let Some(error) = error {
                        answer.headers_mut().insert(
                            HeaderName::from_static("x-amzn-errortype"),
                            HeaderValue::from_static(error),
                        );
                    }
                    Ok(answer)
                }
            };
        }
        Ok(response(
            404,
            "application/json",
            r#"{"message":"no service of this machine answers that"}"#.to_owned(),
        ))
    }

    async fn answer_queue(
        &self,
        operation: &str,
        body: Bytes,
    ) -> Result<Response<String>, Silence> {
        let call = || {
            let (queues, operation, body) =
                (self.queues.clone(), operation.to_owned(), body.clone());
            blocking(move || queues.call(&operation, &body))
        };
        let mut answer = call().await?;
        if let Some((queue, wait)) = crate::queues::wait_of(operation, &body)
            && crate::queues::is_empty_receive(&answer)
        {
            let ends = tokio::time::Instant::now().checked_add(wait);
            while crate::queues::is_empty_receive(&answer)
                && ends.is_some_and(|ends| tokio::time::Instant::now() < ends)
            {
                self.queues.wait_for_arrival(&queue, wait).await;
                answer = call().await?;
            }
        }
        let mut response = response(
            answer.status,
            "application/x-amz-json-1.0",
            answer.body.to_string(),
        );
        if let Some(error) = answer.query_error.and_then(|text| text.parse().ok()) {
            response
                .headers_mut()
                .insert(HeaderName::from_static("x-amzn-query-error"), error);
        }
        Ok(response)
    }
}

/// The databases block, for microseconds in memory and for an `fsync` on disk: off the threads
/// that serve. Where there is one thread only, a simulation has it wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Silence> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| Silence)
}

pub(crate) fn response(status: u16, content_type: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    );
    response
}

#[derive(Debug, Clone)]
struct InProcess {
    services: Services,
}

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let services = self.services.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body
                .bytes()
                .map(Bytes::copy_from_slice)
                .ok_or_else(|| ConnectorError::user("the body is a stream".into()))?;
            let answer = services
                .answer(&parts.method, parts.uri.path(), &parts.headers, body)
                .await
                .map_err(|Silence| ConnectorError::timeout("the service kept silent".into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Serves the services on a loopback port until `stop` resolves, for functions that run as
/// processes of their own.
pub(crate) async fn serve(
    listener: TcpListener,
    services: Services,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let router = axum::Router::new().fallback(move |request: Request<Body>| {
        let services = services.clone();
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else {
                return response(413, "application/json", "{}".to_owned());
            };
            let answer = services
                .answer(&parts.method, parts.uri.path(), &parts.headers, body)
                .await;
            // A broken connection cannot be had from here; a gateway's timeout is the nearest.
            answer.unwrap_or_else(|Silence| response(504, "application/json", "{}".to_owned()))
        }
    });
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
    {
        tracing::error!(error = %error, "the local AWS services ended");
    }
}
