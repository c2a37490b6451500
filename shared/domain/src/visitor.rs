//! Who follows a link: a person, or a machine that looks at it on somebody's behalf.
//!
//! Machines get the redirect and nothing else; they never count as a click and never spend an attribution. What a
//! machine claims to be is all there is to go by: a mail scanner that sends the user agent of a plain browser cannot be
//! told from a person here.

/// How much of a user agent is looked at, in bytes. Browsers stay below; what is longer is judged by its beginning,
/// which can make a person of no machine that could not as well have sent a browser's user agent.
pub const USER_AGENT_BYTES_MAX: usize = 504;

/// Characters before the user agent in the text given to `iscrawl`, see [`looks_like_crawler`].
const SALT_BYTES: usize = 8;

/// What a request says about who sent it, as far as classification needs it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visit<'a> {
    /// Whether the method is `HEAD`.
    pub method_is_head: bool,
    /// The header `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The header `Sec-Purpose` (Fetch standard; `prefetch`, `prefetch;prerender`).
    pub sec_purpose: Option<&'a str>,
    /// The header `Purpose` (older Chromium and Safari).
    pub purpose: Option<&'a str>,
    /// The header `X-Purpose` (older Safari: `preview`).
    pub x_purpose: Option<&'a str>,
    /// The header `X-Moz` (older Firefox: `prefetch`).
    pub x_moz: Option<&'a str>,
}

/// Who a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visitor {
    /// A browser, an in-app browser, or a developer with `curl`: the only one who counts.
    Person,
    /// A search engine, an archive, a monitor, an HTTP library, an automated browser.
    Crawler,
    /// Something that fetches a link to show or to check it before a person opens it: chat and mail programs.
    Preview,
    /// A browser that loads the page in case the person opens it.
    Prefetch,
    /// A request without a user agent, which no browser sends.
    NoUserAgent,
    /// A `HEAD` request: the content is not wanted.
    Head,
}

impl Visitor {
    /// Classifies a request. The first that holds of `Head`, `Prefetch`, `NoUserAgent`, `Preview`, `Crawler` is it.
    #[must_use]
    pub fn classify(visit: &Visit<'_>) -> Self {
        if visit.method_is_head {
            return Self::Head;
        }
        let purposes = [
            visit.sec_purpose,
            visit.purpose,
            visit.x_purpose,
            visit.x_moz,
        ];
        if purposes.into_iter().flatten().any(is_prefetch) {
            return Self::Prefetch;
        }
        let user_agent = visit.user_agent.unwrap_or_default().trim();
        if user_agent.is_empty() {
            return Self::NoUserAgent;
        }
        classify_user_agent(user_agent)
    }

    /// Whether the visit is a click.
    #[must_use]
    pub const fn counts(self) -> bool {
        match self {
            Self::Person => true,
            Self::Crawler | Self::Preview | Self::Prefetch | Self::NoUserAgent | Self::Head => {
                false
            }
        }
    }

    /// The word for it in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Crawler => "crawler",
            Self::Preview => "preview",
            Self::Prefetch => "prefetch",
            Self::NoUserAgent => "no_user_agent",
            Self::Head => "head",
        }
    }
}

/// Whether a request carries the opt-out of Global Privacy Control: a field value of exactly `1`.
///
/// `values` are the values of the header `Sec-GPC`, of which a gateway may have joined several by commas; any `1` among
/// them counts, and everything else (`0`, `true`, `"1"`, `11`) is as good as absent (W3C GPC, section 3.2).
pub fn gpc_opt_out<'a>(values: impl IntoIterator<Item = &'a str>) -> bool {
    values
        .into_iter()
        .flat_map(|value| value.split(','))
        .any(|value| value.trim_matches([' ', '\t']) == "1")
}

/// Whether a purpose header names a load ahead of a person's wish; parameters after `;` do not matter.
fn is_prefetch(value: &str) -> bool {
    value.split(',').any(|item| {
        let token = item.split(';').next().unwrap_or_default().trim();
        ["prefetch", "prerender", "preview", "instant"]
            .iter()
            .any(|purpose| token.eq_ignore_ascii_case(purpose))
    })
}

/// Classifies a user agent that is not empty. Allocates nothing.
fn classify_user_agent(user_agent: &str) -> Visitor {
    let mut buffer = [0_u8; SALT_BYTES + USER_AGENT_BYTES_MAX];
    let (salt, rest) = buffer.split_at_mut(SALT_BYTES);
    let mut length: usize = 0;
    for (lowered, byte) in rest.iter_mut().zip(user_agent.bytes()) {
        // Only the ASCII letters decide; the rest becomes `?`, so that a cut never splits a character.
        *lowered = if byte.is_ascii() {
            byte.to_ascii_lowercase()
        } else {
            b'?'
        };
        length = length.saturating_add(1);
    }
    let lowered = rest.get_mut(..length).unwrap_or_default();
    if lowered.starts_with(b"curl/") {
        // A developer trying a link by hand. Whoever crawls with it says so by a name of their own.
        return Visitor::Person;
    }
    let mut has_innocent_at = false;
    for token in lowered.split_mut(|byte| !is_token_byte(*byte)) {
        if let Some(visitor) = machine(token) {
            return visitor;
        }
        // Telephones with `bot` in their name, and apps that put an `@` before their version, are no machines.
        if begins_with_any(token, &[b"cubot", b"idbot"]) {
            token.fill(b'-');
        }
        has_innocent_at = has_innocent_at || matches!(&*token, b"ecosia" | b"windvane");
    }
    if has_innocent_at {
        lowered
            .iter_mut()
            .filter(|byte| **byte == b'@')
            .for_each(|at| *at = b'-');
    }
    fill_salt(salt, lowered);
    let salted = buffer
        .get(..SALT_BYTES.saturating_add(length))
        .unwrap_or_default();
    if looks_like_crawler(salted) {
        Visitor::Crawler
    } else {
        Visitor::Person
    }
}

/// What a word of a user agent, in lower case, gives away. `None` for most: browsers, and what `iscrawl` knows by itself.
///
/// Listed are those whose user agent otherwise looks like a browser's, and every fetcher of previews, so that it is
/// called one. In-app browsers of people (`fban`, `instagram`, `line`, `gsa`, `kakaotalk`, `pinterest`, `snapchat`, …) are
/// words of their own and not listed.
fn machine(token: &[u8]) -> Option<Visitor> {
    match token {
        // Chats and social networks; Apple's Messages claims to be three of them.
        b"facebookexternalhit"
        | b"facebookexternalua"
        | b"facebookcatalog"
        | b"facebot"
        | b"facebookbot"
        | b"twitterbot"
        | b"linkedinbot"
        | b"discordbot"
        | b"telegrambot"
        | b"whatsapp"
        | b"slackbot"
        | b"slackbot-linkexpanding"
        | b"slack-imgproxy"
        | b"skypeuripreview"
        | b"skype-url-preview"
        | b"microsoftpreview"
        | b"bingpreview"
        | b"viber"
        | b"viberbot"
        | b"line-poker"
        | b"kakaotalk-scrap"
        | b"pinterestbot"
        | b"redditbot"
        | b"mastodon"
        | b"mattermost-bot"
        | b"vkshare"
        | b"flipboardproxy" => Some(Visitor::Preview),
        // Services that make previews for others.
        b"embedly" | b"iframely" | b"linkpreview" | b"link-preview" | b"urlpreview"
        | b"preview" => Some(Visitor::Preview),
        // Mail: image proxies, Office and Outlook (which open a link themselves before the browser does), scanners.
        b"googleimageproxy" | b"ggpht" | b"yahoomailproxy" | b"yahoocachesystem" | b"ms-office"
        | b"msoffice" | b"outlook" | b"office" | b"thunderbird" | b"safelinks" | b"mailscanner"
        | b"ironport" => Some(Visitor::Preview),
        // Search engines, tools and automated browsers with the engine of a real one.
        b"meta-externalagent"
        | b"meta-externalfetcher"
        | b"applebot"
        | b"mediapartners-google"
        | b"duplexweb-google"
        | b"playstore-google"
        | b"googleother"
        | b"headlesschrome"
        | b"chrome-lighthouse"
        | b"lighthouse"
        | b"gtmetrix"
        | b"gomezagent"
        | b"appinsights"
        | b"newrelicsynthetics"
        | b"datadogsynthetics"
        | b"siteimprove"
        | b"slimerjs"
        | b"selenium"
        | b"puppeteer"
        | b"playwright"
        | b"htmlunit"
        | b"claude-user"
        | b"chatgpt-user"
        | b"perplexity-user"
        | b"mistralai-user"
        | b"manus-user"
        | b"virustotal"
        | b"urlscan" => Some(Visitor::Crawler),
        _ if begins_with_any(
            token,
            &[b"barracuda", b"proofpoint", b"mimecast", b"cloudmark"],
        ) =>
        {
            Some(Visitor::Preview)
        }
        _ if begins_with_any(
            token,
            &[
                b"google-",
                b"googleagent",
                b"phantomjs",
                b"wkhtml",
                b"pingdom",
            ],
        ) =>
        {
            Some(Visitor::Crawler)
        }
        _ => None,
    }
}

fn begins_with_any(token: &[u8], beginnings: &[&[u8]]) -> bool {
    beginnings
        .iter()
        .any(|beginning| token.starts_with(beginning))
}

/// The bytes that words of a user agent are made of.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Asks `iscrawl`, whose heuristic knows machines by the words they are made of (`bot`, `crawl`, `http`, `@`, …) and
/// takes whatever names no browser engine for one, HTTP libraries included.
///
/// `iscrawl` 1.2 remembers its answers by the address, length, first and last eight bytes of the text, so that two user
/// agents in one buffer, both beginning with `Mozilla/` and ending alike, get one answer. Eight bytes that are a hash of
/// the whole, put before it, keep them apart. Can go when a later version compares the text itself.
fn looks_like_crawler(salted: &[u8]) -> bool {
    str::from_utf8(salted).is_ok_and(iscrawl::is_crawler)
}

/// Fills `salt` from a hash (FNV-1a, 64 bits) of `text`, in characters that are part of no word: 40 bits of it.
fn fill_salt(salt: &mut [u8], text: &[u8]) {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    const CHARACTERS: &[u8; 32] = b"0123456789 !#$%&'()*+,-.:;<=>?[]";
    let mut hash = text.iter().fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    for character in salt {
        let index = usize::try_from(hash >> 59).unwrap_or_default();
        *character = CHARACTERS.get(index).copied().unwrap_or(b'0');
        hash <<= 5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_user_agent(user_agent: &str) -> Visitor {
        Visitor::classify(&Visit {
            user_agent: Some(user_agent),
            ..Visit::default()
        })
    }

    const PEOPLE: &[&str] = &[
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
        "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 OPR/111.0.0.0",
        "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/91.0.4472.120 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/103.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 12; en-US; RMX3261) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.4.0.1306 Mobile Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21E236 [FBAN/FBIOS;FBAV/463.1.0.32.104;FBBV/593563842;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.4.1;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]",
        "Mozilla/5.0 (Linux; Android 13; SM-A536B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/467.0.0.48.109;]",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 334.0.4.32.98 (iPhone14,5; iOS 17_5; en_GB; en; scale=3.00; 1170x2532; 607041962)",
        "Mozilla/5.0 (Linux; Android 12; SM-G991B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 Line/14.8.0/IAB",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.7.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 KAKAOTALK 10.8.5",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Snapchat/12.90.0.44 (like Safari/8617.2.4.10.8, panda)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 [LinkedInApp]/4.1.945",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Twitter for iPhone/10.44",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 Telegram-Android/10.14.5 (Google Pixel 8; Android 14; SDK 34; HIGH)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/322.0.642841217 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 10; MAR-LX1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/86.0.4240.99 XWEB/4313 MMWEBSDK/20220805 Mobile Safari/537.36 MicroMessenger/8.0.27.2220(0x28001B37) WeChat/arm64",
        "Mozilla/5.0 (Linux; Android 12; V2111; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.0.0 Mobile Safari/537.36 trill_2023506030 BytedanceWebview/d8a21c6 musical_ly_2023506030",
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Avast/124.0.25039.62",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 11_2_1 like Mac OS X) AppleWebKit/604.4.7 (KHTML, like Gecko) Mobile/15C153 (Ecosia ios@3.0.2.609)",
        "curl/8.5.0",
    ];

    const PREVIEWS: &[&str] = &[
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Facebot/1.0",
        "WhatsApp/2.23.20.0 A",
        "WhatsApp/2.2424.6 W",
        "Mozilla/5.0 (compatible; WhatsApp/2.24; Linux) AppleWebKit/537.36 (KHTML, like Gecko)",
        "TelegramBot (like TwitterBot)",
        "Twitterbot/1.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Slackbot 1.0 (+https://api.slack.com/robots)",
        "Slack-ImgProxy (+https://api.slack.com/robots)",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview) Chrome/112.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 7_0 like Mac OS X) AppleWebKit/537.51.1 (KHTML, like Gecko) Version/7.0 Mobile/11A465 Safari/9537.53 BingPreview/1.0b",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "facebookexternalhit/1.1;line-poker/1.0",
        "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
        "Viber/13.3.0.22 CFNetwork/1240.0.4 Darwin/20.6.0",
        "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
        "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
        "Iframely/1.3.1 (+https://iframely.com/docs/about)",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; Microsoft Outlook 16.0.4266)",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0 Safari/537.36 BarracudaCentral/1.0",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0 Safari/537.36 Mimecast-URL-Protect",
        "Mozilla/5.0 (compatible; proofpoint-urldefense) Gecko/20100101",
        "http.rb/5.1.1 (Mastodon/4.2.0; +https://mastodon.example/)",
        "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
        "Snap URL Preview Service; bot; snapchat; https://developers.snapchat.com/robots",
    ];

    const CRAWLERS: &[&str] = &[
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36 (compatible; Google-InspectionTool/1.0;)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
        "Pinterest/0.2 (+https://www.pinterest.com/bot.html)",
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "python-requests/2.32.3",
        "Python/3.11 aiohttp/3.9.5",
        "Go-http-client/2.0",
        "okhttp/4.12.0",
        "axios/1.7.2",
        "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
        "node",
        "Java/17.0.11",
        "Wget/1.21.4",
        "PostmanRuntime/7.39.0",
        "libwww-perl/6.77",
        "Scrapy/2.11.2 (+https://scrapy.org)",
        "MyApp/1 CFNetwork/1404.0.5 Darwin/22.3.0",
        "Mozilla/5.0",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) PingdomTMS/0.8.5 Safari/534.34",
        "-",
        "日本語",
    ];

    #[test]
    fn browsers_and_in_app_browsers_are_people() {
        for user_agent in PEOPLE {
            assert_eq!(by_user_agent(user_agent), Visitor::Person, "{user_agent}");
        }
    }

    #[test]
    fn fetchers_of_previews_are_not_people() {
        for user_agent in PREVIEWS {
            let visitor = by_user_agent(user_agent);
            assert_eq!(visitor, Visitor::Preview, "{user_agent}");
            assert_eq!(
                by_user_agent(&user_agent.to_uppercase()),
                visitor,
                "{user_agent}"
            );
        }
    }

    #[test]
    fn crawlers_and_libraries_are_not_people() {
        for user_agent in CRAWLERS {
            assert_eq!(by_user_agent(user_agent), Visitor::Crawler, "{user_agent}");
        }
    }

    /// The crate underneath caches by the place and the ends of a text; a buffer that is used again must not matter.
    #[test]
    fn an_answer_never_leaks_to_another_user_agent() {
        let person = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126 Safari/537.36";
        let machine = person.replace("Windows NT", "compatbot;");
        assert_eq!(machine.len(), person.len());
        let mut buffer = String::with_capacity(256);
        for _ in 0..3 {
            for (user_agent, visitor) in [(person, Visitor::Person), (&machine, Visitor::Crawler)] {
                buffer.clear();
                buffer.push_str(user_agent);
                assert_eq!(by_user_agent(&buffer), visitor);
            }
        }
    }

    #[test]
    fn long_user_agents_are_judged_by_their_beginning() {
        let [browser, crawler] =
            [PEOPLE, CRAWLERS].map(|list| list.first().copied().unwrap_or_default());
        assert_eq!(
            by_user_agent(&format!("{browser}{}", "; .NET CLR 3.5".repeat(500))),
            Visitor::Person
        );
        assert_eq!(
            by_user_agent(&format!("{crawler}{}", " é".repeat(5_000))),
            Visitor::Crawler
        );
        assert_eq!(by_user_agent(&"x".repeat(10_000)), Visitor::Crawler);
        assert_eq!(
            by_user_agent(&format!("{:504}bot", browser)),
            Visitor::Person
        );
        assert_eq!(
            by_user_agent(&format!("{:501}bot", browser)),
            Visitor::Crawler
        );
    }

    #[test]
    fn loads_ahead_of_a_persons_wish_are_not_clicks() {
        let person = Visit {
            user_agent: PEOPLE.first().copied(),
            ..Visit::default()
        };
        let table = [
            Visit {
                sec_purpose: Some("prefetch"),
                ..person
            },
            Visit {
                sec_purpose: Some("prefetch;prerender"),
                ..person
            },
            Visit {
                sec_purpose: Some("prefetch;anonymous-client-ip"),
                ..person
            },
            Visit {
                sec_purpose: Some("Prefetch ; prerender"),
                ..person
            },
            Visit {
                purpose: Some("prefetch"),
                ..person
            },
            Visit {
                purpose: Some("other, PREVIEW"),
                ..person
            },
            Visit {
                x_purpose: Some("preview"),
                ..person
            },
            Visit {
                x_moz: Some("prefetch"),
                ..person
            },
            Visit {
                x_moz: Some("prefetch"),
                user_agent: None,
                ..person
            },
        ];
        for visit in table {
            assert_eq!(Visitor::classify(&visit), Visitor::Prefetch, "{visit:?}");
        }
        for value in ["", "navigate", "prefetching", "no-prefetch", ";prefetch"] {
            assert_eq!(
                Visitor::classify(&Visit {
                    sec_purpose: Some(value),
                    ..person
                }),
                Visitor::Person,
                "{value}"
            );
        }
        assert_eq!(
            Visitor::classify(&Visit {
                method_is_head: true,
                ..person
            }),
            Visitor::Head
        );
        for user_agent in [None, Some(""), Some(" \t")] {
            assert_eq!(
                Visitor::classify(&Visit {
                    user_agent,
                    ..Visit::default()
                }),
                Visitor::NoUserAgent
            );
        }
    }

    #[test]
    fn only_people_count() {
        let all = [
            Visitor::Person,
            Visitor::Crawler,
            Visitor::Preview,
            Visitor::Prefetch,
            Visitor::NoUserAgent,
            Visitor::Head,
        ];
        assert_eq!(
            all.iter()
                .filter(|visitor| visitor.counts())
                .collect::<Vec<_>>(),
            [&Visitor::Person]
        );
    }

    #[test]
    fn only_the_value_one_opts_out() {
        for values in [
            &["1"][..],
            &[" 1\t"],
            &["0", "1"],
            &["0, 1"],
            &["1,1"],
            &["nonsense", "x, 1 ,y"],
        ] {
            assert!(gpc_opt_out(values.iter().copied()), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["0"],
            &["true"],
            &["\"1\""],
            &["11"],
            &["1;x"],
            &["1 1"],
            &["01"],
            &["?1"],
        ] {
            assert!(!gpc_opt_out(values.iter().copied()), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_classified(user_agent in ".{0,700}", purpose in ".{0,20}") {
            let visit = Visit { user_agent: Some(&user_agent), sec_purpose: Some(&purpose), ..Visit::default() };
            prop_assert_eq!(Visitor::classify(&visit), Visitor::classify(&visit));
        }
    }
}
