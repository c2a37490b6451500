//! What a shop knows of a person's device and accounts.
//!
//! It is checked and let go again: what two people have in common says something only once fraud is
//! judged, and until then nobody needs to keep it.

use std::net::IpAddr;

use kith_contract::requests::USER_AGENT_CHARS_MAX;
use kith_domain::text::ExternalId;

use crate::json::{self, Faults, Member, Object};

/// Takes `client` out of a body: what somebody called the shop with.
pub fn client(body: &mut Object, faults: &mut Faults) {
    if let Some(mut client) = body.optional_object("client", faults) {
        let _: Option<()> = client.optional("ip", faults, address);
        let _: Option<()> = client.optional("user_agent", faults, user_agent);
        let _: Option<ExternalId> = client.optional("device_id", faults, json::text);
        client.finish(faults);
    }
}

/// Takes a member out of a body that tells one account from others.
pub fn fingerprint(name: &'static str, body: &mut Object, faults: &mut Faults) {
    let _: Option<ExternalId> = body.optional(name, faults, json::text);
}

fn address(member: Member, faults: &mut Faults) -> Option<()> {
    let pointer = member.pointer.clone();
    let text = json::string(member, faults)?;
    if text.parse::<IpAddr>().is_err() {
        faults.add(pointer, "must be an IPv4 or IPv6 address");
        return None;
    }
    Some(())
}

fn user_agent(member: Member, faults: &mut Faults) -> Option<()> {
    let pointer = member.pointer.clone();
    let text = json::string(member, faults)?;
    if text.chars().count() > USER_AGENT_CHARS_MAX {
        let detail = format!("must have at most {USER_AGENT_CHARS_MAX} characters");
        faults.add(pointer, detail);
        return None;
    }
    Some(())
}
