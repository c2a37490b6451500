//! Every route, once: its method and path, who may call it, and which function answers.

use kith_domain::api_key::Scope;

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads, and changes nothing.
    Get,
    /// As `GET`, without the body.
    Head,
    /// Makes, or does.
    Post,
    /// Changes by a merge patch.
    Patch,
    /// Takes away.
    Delete,
    /// What a browser asks before a call from another origin.
    Options,
}

impl Method {
    /// The method as HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: what the path holds, such as a code or a token, is all that is needed; or the vendor's signature is.
    Open,
    /// Keys with this scope, within what they reach.
    Key(Scope),
    /// Keys with this scope that belong to no single program.
    Operator(Scope),
}

impl Access {
    /// The scope that a key needs.
    #[must_use]
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Open => None,
            Self::Key(scope) | Self::Operator(scope) => Some(scope),
        }
    }
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Its name: verb and noun, `snake_case`, for ever.
    pub id: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path; a segment in braces is a parameter.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// The function that answers.
    pub function: &'static str,
}

impl Route {
    /// Whether calls of it may change something.
    #[must_use]
    pub const fn writes(&self) -> bool {
        match self.method {
            Method::Get | Method::Head | Method::Options => false,
            Method::Post | Method::Patch | Method::Delete => true,
        }
    }
}

/// The routes of a function.
pub fn of(function: &str) -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .copied()
        .filter(move |route| route.function == function)
}

macro_rules! routes {
    ($($function:literal { $($name:ident = $id:literal $method:ident $path:literal, $access:ident $(($scope:ident))?;)* })*) => {
        $($(
            #[doc = concat!("`", $path, "`")]
            pub static $name: Route = Route {
                id: $id,
                method: Method::$method,
                path: $path,
                access: Access::$access $((Scope::$scope))?,
                function: $function,
            };
        )*)*

        /// Every route.
        pub static ROUTES: &[&Route] = &[$($(&$name,)*)*];
    };
}

routes! {
    "link-capture" {
        FOLLOW_LINK = "follow_link" Get "/r/{code}", Open;
        FOLLOW_LINK_HEAD = "follow_link_head" Head "/r/{code}", Open;
        FOLLOW_TEST_LINK = "follow_test_link" Get "/t/{code}", Open;
        FOLLOW_TEST_LINK_HEAD = "follow_test_link_head" Head "/t/{code}", Open;
        RECORD_CLICK = "record_click" Post "/v1/programs/{program}/clicks", Key(Clicks);
        RECORD_CLICK_PREFLIGHT = "record_click_preflight" Options "/v1/programs/{program}/clicks", Open;
    }
    "public-pages" {
        SHOW_SURVEY = "show_survey" Get "/s/{token}", Open;
        SHOW_SURVEY_HEAD = "show_survey_head" Head "/s/{token}", Open;
        ANSWER_SURVEY = "answer_survey" Post "/s/{token}", Open;
        SHOW_UNSUBSCRIBE = "show_unsubscribe" Get "/u/{token}", Open;
        SHOW_UNSUBSCRIBE_HEAD = "show_unsubscribe_head" Head "/u/{token}", Open;
        UNSUBSCRIBE = "unsubscribe" Post "/u/{token}", Open;
        DRAW_QR_CODE = "draw_qr_code" Get "/r/{code}/qr.svg", Open;
        DRAW_QR_CODE_HEAD = "draw_qr_code_head" Head "/r/{code}/qr.svg", Open;
        DRAW_TEST_QR_CODE = "draw_test_qr_code" Get "/t/{code}/qr.svg", Open;
        DRAW_TEST_QR_CODE_HEAD = "draw_test_qr_code_head" Head "/t/{code}/qr.svg", Open;
        READ_PRIVACY_CONTROL = "read_privacy_control" Get "/.well-known/gpc.json", Open;
    }
    "api-docs" {
        READ_OPENAPI = "read_openapi" Get "/openapi.json", Open;
        READ_OPENAPI_HEAD = "read_openapi_head" Head "/openapi.json", Open;
        SHOW_DOCS = "show_docs" Get "/docs", Open;
        SHOW_DOCS_HEAD = "show_docs_head" Head "/docs", Open;
        READ_DOCS_FILE = "read_docs_file" Get "/docs/{version}/{file}", Open;
        READ_DOCS_FILE_HEAD = "read_docs_file_head" Head "/docs/{version}/{file}", Open;
        LIST_PROBLEMS = "list_problems" Get "/problems", Open;
        LIST_PROBLEMS_HEAD = "list_problems_head" Head "/problems", Open;
        READ_PROBLEM = "read_problem" Get "/problems/{code}", Open;
        READ_PROBLEM_HEAD = "read_problem_head" Head "/problems/{code}", Open;
    }
    "conversion-recording" {
        MAKE_OFFER = "make_offer" Post "/v1/programs/{program}/offers", Key(Clicks);
        MAKE_OFFER_PREFLIGHT = "make_offer_preflight" Options "/v1/programs/{program}/offers", Open;
        RECORD_CONVERSION = "record_conversion" Post "/v1/programs/{program}/conversions", Key(ConversionsWrite);
        RECORD_CONVERSIONS = "record_conversions" Post "/v1/programs/{program}/conversions/bulk", Key(ConversionsWrite);
        ATTRIBUTE_CONVERSION = "attribute_conversion" Post "/v1/programs/{program}/conversions/{conversion}/attribution", Key(ConversionsWrite);
        APPROVE_CONVERSION = "approve_conversion" Post "/v1/programs/{program}/conversions/{conversion}/approve", Key(ConversionsWrite);
        REJECT_CONVERSION = "reject_conversion" Post "/v1/programs/{program}/conversions/{conversion}/reject", Key(ConversionsWrite);
        REFUND_CONVERSION = "refund_conversion" Post "/v1/programs/{program}/conversions/{conversion}/refunds", Key(RefundsWrite);
        REFUND_ORDER = "refund_order" Post "/v1/programs/{program}/refunds", Key(RefundsWrite);
        REVERSE_REFUND = "reverse_refund" Post "/v1/programs/{program}/refunds/{refund}/reverse", Key(RefundsWrite);
        TAKE_ORDER = "take_order" Post "/in/{program}/{source}", Open;
    }
    "program-api" {
        READ_HEALTH = "read_health" Get "/healthz", Open;
        CREATE_PROGRAM = "create_program" Post "/v1/programs", Operator(ProgramsWrite);
        LIST_PROGRAMS = "list_programs" Get "/v1/programs", Key(ProgramsRead);
        READ_PROGRAM = "read_program" Get "/v1/programs/{program}", Key(ProgramsRead);
        CHANGE_PROGRAM = "change_program" Patch "/v1/programs/{program}", Key(ProgramsWrite);
        CREATE_KEY = "create_key" Post "/v1/keys", Key(KeysWrite);
        LIST_KEYS = "list_keys" Get "/v1/keys", Key(KeysWrite);
        READ_KEY = "read_key" Get "/v1/keys/{key}", Key(KeysWrite);
        ROTATE_KEY = "rotate_key" Post "/v1/keys/{key}/rotate", Key(KeysWrite);
        REVOKE_KEY = "revoke_key" Delete "/v1/keys/{key}", Key(KeysWrite);
        READ_OPERATIONS = "read_operations" Get "/v1/operations", Operator(ProgramsRead);
        RETRY_PARKED = "retry_parked" Post "/v1/operations/parked/{id}/retry", Operator(ProgramsWrite);
        LIST_OPERATOR_AUDIT = "list_operator_audit" Get "/v1/audit", Operator(AuditRead);
        LIST_AUDIT = "list_audit" Get "/v1/programs/{program}/audit", Key(AuditRead);
        ADVANCE_TEST_CLOCK = "advance_test_clock" Post "/v1/programs/{program}/test-clock/advance", Key(ProgramsWrite);
        LIST_TEST_MAILS = "list_test_mails" Get "/v1/programs/{program}/test-mails", Key(ProgramsRead);
        LIST_EVENTS = "list_events" Get "/v1/programs/{program}/events", Key(EventsRead);
        REDELIVER_EVENT = "redeliver_event" Post "/v1/programs/{program}/events/{event}/redeliver", Key(WebhooksWrite);
        CREATE_WEBHOOK = "create_webhook" Post "/v1/programs/{program}/webhooks", Key(WebhooksWrite);
        LIST_WEBHOOKS = "list_webhooks" Get "/v1/programs/{program}/webhooks", Key(WebhooksWrite);
        READ_WEBHOOK = "read_webhook" Get "/v1/programs/{program}/webhooks/{webhook}", Key(WebhooksWrite);
        CHANGE_WEBHOOK = "change_webhook" Patch "/v1/programs/{program}/webhooks/{webhook}", Key(WebhooksWrite);
        DELETE_WEBHOOK = "delete_webhook" Delete "/v1/programs/{program}/webhooks/{webhook}", Key(WebhooksWrite);
        ROTATE_WEBHOOK_SECRET = "rotate_webhook_secret" Post "/v1/programs/{program}/webhooks/{webhook}/rotate", Key(WebhooksWrite);
        TEST_WEBHOOK = "test_webhook" Post "/v1/programs/{program}/webhooks/{webhook}/test", Key(WebhooksWrite);
        LIST_DELIVERIES = "list_deliveries" Get "/v1/programs/{program}/webhooks/{webhook}/deliveries", Key(EventsRead);
        REDELIVER_PERIOD = "redeliver_period" Post "/v1/programs/{program}/webhooks/{webhook}/redeliver", Key(WebhooksWrite);
        CREATE_ORDER_SOURCE = "create_order_source" Post "/v1/programs/{program}/order-sources", Key(WebhooksWrite);
        LIST_ORDER_SOURCES = "list_order_sources" Get "/v1/programs/{program}/order-sources", Key(WebhooksWrite);
        READ_ORDER_SOURCE = "read_order_source" Get "/v1/programs/{program}/order-sources/{source}", Key(WebhooksWrite);
        CHANGE_ORDER_SOURCE = "change_order_source" Patch "/v1/programs/{program}/order-sources/{source}", Key(WebhooksWrite);
        DELETE_ORDER_SOURCE = "delete_order_source" Delete "/v1/programs/{program}/order-sources/{source}", Key(WebhooksWrite);
        LIST_ORDER_DELIVERIES = "list_order_deliveries" Get "/v1/programs/{program}/order-sources/{source}/deliveries", Key(WebhooksWrite);
        SIMULATE = "simulate" Post "/v1/programs/{program}/simulations", Key(RewardsRead);
        JOIN_PARTICIPANT = "join_participant" Post "/v1/programs/{program}/participants", Key(ParticipantsWrite);
        JOIN_PARTICIPANTS = "join_participants" Post "/v1/programs/{program}/participants/bulk", Key(ParticipantsWrite);
        LIST_PARTICIPANTS = "list_participants" Get "/v1/programs/{program}/participants", Key(ParticipantsRead);
        SEARCH_PARTICIPANTS = "search_participants" Post "/v1/programs/{program}/participants/search", Key(ParticipantsRead);
        READ_PARTICIPANT = "read_participant" Get "/v1/programs/{program}/participants/{participant}", Key(ParticipantsRead);
        CHANGE_PARTICIPANT = "change_participant" Patch "/v1/programs/{program}/participants/{participant}", Key(ParticipantsWrite);
        MERGE_PARTICIPANT = "merge_participant" Post "/v1/programs/{program}/participants/{participant}/merge", Key(ParticipantsWrite);
        LIST_MERGES = "list_merges" Get "/v1/programs/{program}/merges", Key(ParticipantsRead);
        READ_MERGE = "read_merge" Get "/v1/programs/{program}/merges/{merge}", Key(ParticipantsRead);
        APPROVE_MERGE = "approve_merge" Post "/v1/programs/{program}/merges/{merge}/approve", Key(ParticipantsWrite);
        REJECT_MERGE = "reject_merge" Post "/v1/programs/{program}/merges/{merge}/reject", Key(ParticipantsWrite);
        READ_TIMELINE = "read_timeline" Get "/v1/programs/{program}/participants/{participant}/timeline", Key(ParticipantsRead);
        READ_BALANCE = "read_balance" Get "/v1/programs/{program}/participants/{participant}/balance", Key(ParticipantsRead);
        SPEND_POINTS = "spend_points" Post "/v1/programs/{program}/participants/{participant}/redemptions", Key(RewardsWrite);
        LIST_REDEMPTIONS = "list_redemptions" Get "/v1/programs/{program}/participants/{participant}/redemptions", Key(RewardsRead);
        REVERSE_REDEMPTION = "reverse_redemption" Post "/v1/programs/{program}/participants/{participant}/redemptions/{redemption}/reverse", Key(RewardsWrite);
        ADD_CODE = "add_code" Post "/v1/programs/{program}/participants/{participant}/codes", Key(ParticipantsWrite);
        SWITCH_CODE = "switch_code" Patch "/v1/programs/{program}/participants/{participant}/codes/{code}", Key(ParticipantsWrite);
        LIST_CONVERSIONS = "list_conversions" Get "/v1/programs/{program}/conversions", Key(ConversionsRead);
        READ_CONVERSION = "read_conversion" Get "/v1/programs/{program}/conversions/{conversion}", Key(ConversionsRead);
        READ_REFUND = "read_refund" Get "/v1/programs/{program}/refunds/{refund}", Key(ConversionsRead);
        LIST_REFERRALS = "list_referrals" Get "/v1/programs/{program}/referrals", Key(ConversionsRead);
        LIST_REWARDS = "list_rewards" Get "/v1/programs/{program}/rewards", Key(RewardsRead);
        GIVE_REWARD = "give_reward" Post "/v1/programs/{program}/rewards", Key(RewardsWrite);
        READ_REWARD = "read_reward" Get "/v1/programs/{program}/rewards/{reward}", Key(RewardsRead);
        APPROVE_REWARD = "approve_reward" Post "/v1/programs/{program}/rewards/{reward}/approve", Key(RewardsWrite);
        REJECT_REWARD = "reject_reward" Post "/v1/programs/{program}/rewards/{reward}/reject", Key(RewardsWrite);
        CANCEL_REWARD = "cancel_reward" Post "/v1/programs/{program}/rewards/{reward}/cancel", Key(RewardsWrite);
        RETRY_REWARD = "retry_reward" Post "/v1/programs/{program}/rewards/{reward}/retry", Key(RewardsWrite);
        REDEEM_REWARD = "redeem_reward" Post "/v1/programs/{program}/rewards/{reward}/redeem", Key(RewardsWrite);
        REDEEM_VOUCHER = "redeem_voucher" Post "/v1/programs/{program}/vouchers/redeem", Key(RewardsWrite);
        READ_VOUCHER_LIST = "read_voucher_list" Get "/v1/programs/{program}/voucher-lists/{incentive}", Key(RewardsRead);
        ADD_VOUCHER_CODES = "add_voucher_codes" Post "/v1/programs/{program}/voucher-lists/{incentive}/codes", Key(RewardsWrite);
        LIST_SURVEYS = "list_surveys" Get "/v1/programs/{program}/surveys", Key(SurveysRead);
        READ_NPS = "read_nps" Get "/v1/programs/{program}/nps", Key(SurveysRead);
        CREATE_PAYOUT = "create_payout" Post "/v1/programs/{program}/payouts", Key(PayoutsWrite);
        LIST_PAYOUTS = "list_payouts" Get "/v1/programs/{program}/payouts", Key(PayoutsRead);
        READ_PAYOUT = "read_payout" Get "/v1/programs/{program}/payouts/{payout}", Key(PayoutsRead);
        LIST_PAYOUT_LINES = "list_payout_lines" Get "/v1/programs/{program}/payouts/{payout}/lines", Key(PayoutsRead);
        SETTLE_PAYOUT_LINE = "settle_payout_line" Post "/v1/programs/{program}/payouts/{payout}/lines/{participant}", Key(PayoutsWrite);
        CLOSE_PAYOUT = "close_payout" Post "/v1/programs/{program}/payouts/{payout}/close", Key(PayoutsWrite);
        LIST_LEDGER_ENTRIES = "list_ledger_entries" Get "/v1/programs/{program}/ledger/entries", Key(PayoutsRead);
        SUMMARISE_LEDGER = "summarise_ledger" Get "/v1/programs/{program}/ledger/summary", Key(PayoutsRead);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_route_and_a_name_stand_once() {
        let names: BTreeSet<_> = ROUTES.iter().map(|route| route.id).collect();
        let places: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| (route.method, route.path))
            .collect();
        assert_eq!((names.len(), places.len()), (ROUTES.len(), ROUTES.len()));
    }

    /// A key of a browser writes, and only what browsers may: clicks and offers.
    #[test]
    fn the_scope_of_browsers_opens_two_routes() {
        let open: Vec<_> = ROUTES
            .iter()
            .filter(|route| route.access.scope() == Some(Scope::Clicks))
            .map(|route| route.id)
            .collect();
        assert_eq!(open, ["record_click", "make_offer"]);
    }

    #[test]
    fn whatever_stands_under_v1_needs_a_key() {
        for route in ROUTES {
            let open = route.access == Access::Open && route.method != Method::Options;
            assert!(!open || !route.path.starts_with("/v1/"), "{}", route.path);
        }
    }
}
