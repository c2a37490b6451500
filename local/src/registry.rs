//! The functions that this program holds: one line each.

use crate::functions::Registry;

/// Every function of the bundle, by package.
#[must_use]
pub fn registry() -> Registry {
    Registry::empty()
        .with("link-capture", link_capture::function)
        .with("conversion-recording", conversion_recording::function)
        .with("program-api", program_api::function)
        .with("public-pages", public_pages::function)
        .with("api-docs", api_docs::function)
        .with("event-relay", event_relay::function)
        .with("reward-disbursement", reward_disbursement::function)
        .with("message-dispatch", message_dispatch::function)
        .with("survey-dispatch", survey_dispatch::function)
        .with("event-delivery", event_delivery::function)
        .with("due-work", due_work::function)
}
