//! User agents and the headers beside them: an answer always, the same whenever it is asked.

use kith_domain::visitor::{USER_AGENT_BYTES_MAX, Visit, Visitor, gpc_opt_out};

use crate::text;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn by_user_agent(user_agent: &str) -> Visitor {
    Visitor::classify(&Visit {
        user_agent: Some(user_agent),
        ..Visit::default()
    })
}

/// The first line is a user agent, the others are `Sec-Purpose`, `Purpose`, `X-Purpose`, `X-Moz` and `Sec-GPC`.
pub fn user_agents(data: &[u8]) {
    let text = text(data);
    let mut lines = text.split('\n');
    let user_agent = lines.next().unwrap_or_default();
    let [sec_purpose, purpose, x_purpose, x_moz, gpc] = std::array::from_fn(|_| lines.next());
    let visitor = by_user_agent(user_agent);
    // What is beyond the bound decides nothing.
    let start = user_agent.trim();
    if start.len() > USER_AGENT_BYTES_MAX {
        assert_eq!(by_user_agent(&format!("{start}bot crawl")), visitor);
    }
    assert_eq!(by_user_agent(&user_agent.to_ascii_uppercase()), visitor);
    // Whoever called before decides nothing either.
    assert_eq!(by_user_agent(BROWSER), Visitor::Person);
    assert_eq!(by_user_agent(CRAWLER), Visitor::Crawler);
    assert_eq!(by_user_agent(user_agent), visitor);
    let visit = Visit {
        method_is_head: false,
        user_agent: Some(user_agent),
        sec_purpose,
        purpose,
        x_purpose,
        x_moz,
    };
    let seen = Visitor::classify(&visit);
    assert!(seen == Visitor::Prefetch || seen == visitor);
    let head = Visit {
        method_is_head: true,
        ..visit
    };
    assert_eq!(Visitor::classify(&head), Visitor::Head);
    if let Some(value) = gpc {
        let parts = value.split(',').map(|part| part.trim_matches([' ', '\t']));
        assert_eq!(
            gpc_opt_out([value]),
            parts.into_iter().any(|part| part == "1")
        );
    }
}
