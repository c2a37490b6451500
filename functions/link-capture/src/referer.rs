//! From what kind of place a visitor came: a class, so that the address itself is not kept.

use kith_domain::token::RefererClass;

/// Hosts, and the hosts below them, that web mailers are read at.
const MAIL: [&str; 21] = [
    "mail.google.com",
    "outlook.live.com",
    "outlook.office.com",
    "outlook.office365.com",
    "mail.yahoo.com",
    "mail.yahoo.co.jp",
    "mail.aol.com",
    "mail.proton.me",
    "mail.protonmail.com",
    "app.fastmail.com",
    "mail.zoho.com",
    "mail.zoho.eu",
    "e.mail.ru",
    "mail.ru",
    "mail.yandex.ru",
    "mail.yandex.com",
    "navigator.gmx.net",
    "navigator.web.de",
    "mail.qq.com",
    "mail.163.com",
    "app.tuta.com",
];

/// First labels that name a web mailer on anybody's own host.
const MAIL_LABELS: [&str; 5] = ["webmail", "roundcube", "squirrelmail", "owa", "horde"];

/// Names that search engines have under every top-level domain.
const SEARCH: [&str; 15] = [
    "google",
    "bing",
    "yahoo",
    "duckduckgo",
    "ecosia",
    "qwant",
    "startpage",
    "baidu",
    "yandex",
    "naver",
    "seznam",
    "kagi",
    "swisscows",
    "mojeek",
    "ya",
];

/// Names that social networks have under every top-level domain.
const SOCIAL: [&str; 21] = [
    "facebook",
    "messenger",
    "instagram",
    "threads",
    "twitter",
    "linkedin",
    "pinterest",
    "reddit",
    "tiktok",
    "youtube",
    "whatsapp",
    "telegram",
    "snapchat",
    "tumblr",
    "discord",
    "weibo",
    "quora",
    "nextdoor",
    "vkontakte",
    "xing",
    "bsky",
];

/// Hosts of social networks whose name alone would say too little.
const SOCIAL_HOSTS: [&str; 10] = [
    "x.com", "t.co", "t.me", "vk.com", "ok.ru", "wa.me", "lnkd.in", "redd.it", "pin.it", "youtu.be",
];

/// Android apps that name themselves instead of a page.
const APPS: [(&str, RefererClass); 8] = [
    ("com.google.android.gm", RefererClass::Mail),
    ("com.microsoft.office.outlook", RefererClass::Mail),
    (
        "com.google.android.googlequicksearchbox",
        RefererClass::Search,
    ),
    ("com.facebook.katana", RefererClass::Social),
    ("com.instagram.android", RefererClass::Social),
    ("com.linkedin.android", RefererClass::Social),
    ("com.twitter.android", RefererClass::Social),
    ("com.whatsapp", RefererClass::Social),
];

/// The class of a `Referer` header. Whatever is not an address is as good as no header.
pub(crate) fn class_of(referer: Option<&str>) -> RefererClass {
    let Some((scheme, rest)) = referer.and_then(|text| text.trim().split_once("://")) else {
        return RefererClass::None;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    if host.is_empty() {
        return RefererClass::None;
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if scheme.eq_ignore_ascii_case("android-app") {
        let app = APPS.iter().find(|(name, _)| *name == host);
        return app.map_or(RefererClass::Site, |(_, class)| *class);
    }
    class_of_host(&host)
}

fn class_of_host(host: &str) -> RefererClass {
    let is_or_is_below = |known: &&str| {
        host.strip_suffix(*known)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let first = host.split('.').next().unwrap_or_default();
    if MAIL.iter().any(&is_or_is_below) || MAIL_LABELS.contains(&first) {
        return RefererClass::Mail;
    }
    let name = registered_name(host);
    if SOCIAL.contains(&name) || SOCIAL_HOSTS.iter().any(is_or_is_below) {
        return RefererClass::Social;
    }
    if SEARCH.contains(&name) || host == "search.brave.com" {
        return RefererClass::Search;
    }
    RefererClass::Site
}

/// The label before the top-level domain, or before one such as `co.uk`: `google` in
/// `www.google.co.uk`.
fn registered_name(host: &str) -> &str {
    let mut labels = host.rsplit('.').skip(1);
    let name = labels.next().unwrap_or_default();
    match name {
        "co" | "com" | "org" | "net" | "ne" | "or" => labels.next().unwrap_or(name),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referers_fall_into_classes() {
        use RefererClass::{Mail, None, Search, Site, Social};
        for (referer, class) in [
            ("", None),
            ("about:blank", None),
            ("https://", None),
            ("https:///path", None),
            ("https://www.google.com/", Search),
            ("https://www.google.co.uk/search?q=cakes", Search),
            ("https://google.com.au", Search),
            ("HTTPS://DuckDuckGo.com:443/", Search),
            ("https://search.brave.com/", Search),
            ("https://l.facebook.com/l.php?u=x", Social),
            ("https://m.facebook.com/", Social),
            ("https://t.co/abc", Social),
            ("https://www.linkedin.com/feed", Social),
            ("https://old.reddit.com/r/cakes", Social),
            ("https://x.com/", Social),
            ("https://mail.google.com/mail/u/0/", Mail),
            ("https://outlook.live.com/", Mail),
            ("https://eu1.mail.yahoo.com/", Mail),
            ("https://webmail.bakery.example/", Mail),
            ("android-app://com.google.android.gm/", Mail),
            (
                "android-app://com.google.android.googlequicksearchbox",
                Search,
            ),
            ("android-app://org.example.app", Site),
            ("https://bakery.example/", Site),
            ("https://google.evil.example/", Site),
            ("https://google.com@evil.example/", Site),
            ("https://notx.com/", Site),
            ("https://x.com.evil.example/", Site),
            ("https://203.0.113.9/", Site),
            ("https://localhost:3000/", Site),
        ] {
            assert_eq!(class_of(Some(referer)), class, "{referer}");
        }
        assert_eq!(class_of(Option::None), None);
    }
}
