use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{Delivery, EventRedelivered, List, NewWebhook, PeriodRedelivered, Webhook};
use crate::problems::Code;
use crate::requests::{
    DeliveryFilter, EventRedelivery, NewWebhookInput, Part, PeriodRedelivery, SecretRotation,
    WebhookChange,
};
use crate::routes;
use crate::scalar::example_id;

pub(super) const TAG: Tag = Tag {
    name: "Webhooks",
    about: include_str!("webhooks.md"),
};

pub(super) fn operations() -> Vec<Operation> {
    let webhook_id = example_id::<kith_domain::id::WebhookKind>();
    vec![
        op(&routes::CREATE_WEBHOOK, TAG.name, "Create a webhook")
            .about("The secret is told once, in `secret`; a replayed answer does not repeat it. The URL is checked as far as it can be without calling it: its form, and where its host leads now. A program has ten endpoints at most. As every change of who hears of what, this counts as a change of the program too: its `version` rises.")
            .body::<NewWebhookInput>(json!({
                "url": "https://hooks.example.com/kith",
                "types": ["conversion.recorded", "reward.issued", "reward.clawed_back"],
            }))
            .answers::<NewWebhook>(201, "The endpoint, with its secret.")
            .refuses([Code::TooManyWebhooks])
            .yields("webhook", "/id"),
        op(&routes::LIST_WEBHOOKS, TAG.name, "List webhooks")
            .about("Oldest first, disabled ones included.")
            .query::<Part>()
            .answers::<List<Webhook>>(200, "A page of endpoints."),
        op(&routes::READ_WEBHOOK, TAG.name, "Read a webhook")
            .answers::<Webhook>(200, "The endpoint."),
        op(&routes::CHANGE_WEBHOOK, TAG.name, "Change a webhook")
            .about("A merge patch. Whoever makes an endpoint active again has it begin anew: how it failed is forgotten. What happened meanwhile is not made up for by itself: see redelivery.")
            .body::<WebhookChange>(json!({"types": ["reward.issued"]}))
            .answers::<Webhook>(200, "The endpoint, changed."),
        op(&routes::ROTATE_WEBHOOK_SECRET, TAG.name, "Rotate a webhook's secret")
            .about("Makes another secret, which is told once. For a while the one before signs too, so that the receiver may change over when it likes; ones before that sign no more. The overlap is of real time, and 0 ends the old one at once.")
            .optional_body::<SecretRotation>(json!({"overlap_hours": 24}))
            .answers::<NewWebhook>(200, "The endpoint, with its new secret."),
        op(&routes::TEST_WEBHOOK, TAG.name, "Send a test event")
            .about("Makes an event `webhook.test`, which goes to this endpoint alone, whatever types it hears of. It is signed, tried and recorded as any other.")
            .answers::<Webhook>(202, "The endpoint. The delivery is on its way.")
            .refuses([Code::WebhookDisabled]),
        op(&routes::LIST_DELIVERIES, TAG.name, "List the deliveries to a webhook")
            .about("Newest first, with the attempts of each. Kept for 30 days after they were last begun.")
            .query::<DeliveryFilter>()
            .answers::<List<Delivery>>(200, "A page of deliveries."),
        op(&routes::REDELIVER_EVENT, TAG.name, "Send an event again")
            .about("To every active endpoint that hears of its type, or to the one that is named. It is the same message with the same `webhook-id`, signed anew; its schedule begins anew. Whoever was made an endpoint after the event gets it too.")
            .optional_body::<EventRedelivery>(json!({"webhook_id": webhook_id}))
            .answers::<EventRedelivered>(202, "What is on its way.")
            .refuses([Code::WebhookDisabled]),
        op(&routes::REDELIVER_PERIOD, TAG.name, "Send the deliveries of a period again")
            .about("Those to this endpoint in one state, by when their events happened, oldest first, a bounded number by each call: repeat it with `next_cursor` as `cursor` until that is `null`.")
            .body::<PeriodRedelivery>(json!({"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}))
            .answers::<PeriodRedelivered>(200, "How many are on their way, and where to go on.")
            .refuses([Code::WebhookDisabled]),
        op(&routes::DELETE_WEBHOOK, TAG.name, "Delete a webhook")
            .about("What is on its way to it is dropped. One that an incentive names in its `fulfilment` stays. Rewards that were made when one did, and that the shop was still to carry out, fail.")
            .answers_empty(204, "It is gone.")
            .refuses([Code::WebhookInUse]),
    ]
}
