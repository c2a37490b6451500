//! Which route answers: the most specific one, as API Gateway selects.

use std::collections::BTreeMap;

use crate::template::Route;

/// The routes of the HTTP API.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    routes: Vec<Compiled>,
    default: Option<Route>,
}

#[derive(Debug, Clone)]
struct Compiled {
    route: Route,
    segments: Vec<Segment>,
}

/// In the order in which API Gateway prefers them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Fixed(String),
    Parameter(String),
    Greedy(String),
}

/// The route that answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The route.
    pub route: Route,
    /// Values of its path parameters, decoded.
    pub parameters: BTreeMap<String, String>,
}

impl Match {
    /// `GET /r/{code}`, or `$default`.
    #[must_use]
    pub fn key(&self) -> String {
        if self.route.path == "$default" {
            "$default".to_owned()
        } else {
            format!("{} {}", self.route.method, self.route.path)
        }
    }
}

impl Routes {
    /// The routes of a template.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        let (default, routes): (Vec<_>, Vec<_>) = routes
            .iter()
            .cloned()
            .partition(|route| route.path == "$default");
        Self {
            routes: routes
                .into_iter()
                .map(|route| Compiled {
                    segments: route
                        .path
                        .trim_start_matches('/')
                        .split('/')
                        .map(Segment::of)
                        .collect(),
                    route,
                })
                .collect(),
            default: default.into_iter().next(),
        }
    }

    /// The most specific route for a method and a decoded path: fixed segments before parameters,
    /// parameters before `{proxy+}`, a method before `ANY`, all before `$default`.
    #[must_use]
    pub fn select(&self, method: &str, path: &str) -> Option<Match> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        self.routes
            .iter()
            .filter(|candidate| candidate.route.method == method || candidate.route.method == "ANY")
            .filter_map(|candidate| {
                let parameters = candidate.parameters(&segments)?;
                Some((candidate, parameters))
            })
            .min_by_key(|(candidate, _)| {
                let kinds: Vec<u8> = candidate.segments.iter().map(Segment::rank).collect();
                (kinds, candidate.route.method == "ANY")
            })
            .map(|(candidate, parameters)| Match {
                route: candidate.route.clone(),
                parameters,
            })
            .or_else(|| {
                self.default.clone().map(|route| Match {
                    route,
                    parameters: BTreeMap::new(),
                })
            })
    }
}

impl Segment {
    fn of(text: &str) -> Self {
        match text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
        {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Parameter(name.to_owned()),
            },
            None => Self::Fixed(text.to_owned()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Fixed(_) => 0,
            Self::Parameter(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

impl Compiled {
    fn parameters(&self, path: &[&str]) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        let mut rest = path.iter();
        for segment in &self.segments {
            match segment {
                Segment::Fixed(text) => {
                    if rest.next()? != text {
                        return None;
                    }
                }
                Segment::Parameter(name) => {
                    let value = rest.next().filter(|value| !value.is_empty())?;
                    parameters.insert(name.clone(), (*value).to_owned());
                }
                Segment::Greedy(name) => {
                    let value = rest.as_slice().join("/");
                    if value.is_empty() {
                        return None;
                    }
                    parameters.insert(name.clone(), value);
                    return Some(parameters);
                }
            }
        }
        rest.next().is_none().then_some(parameters)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        let routes: Vec<Route> = keys
            .iter()
            .map(|key| {
                let (method, path) = key.split_once(' ').unwrap_or(("", key));
                Route {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    package: (*key).to_owned(),
                }
            })
            .collect();
        Routes::new(&routes)
    }

    #[test]
    fn the_most_specific_route_answers() {
        let routes = routes(&[
            "$default",
            "ANY /v1/{proxy+}",
            "GET /v1/{thing}",
            "GET /v1/keys",
            "ANY /v1/keys",
            "GET /v1/{a}/{b}",
            "GET /v1/programs/{b}",
        ]);
        let selected = |method: &str, path: &str| routes.select(method, path).unwrap().key();
        assert_eq!(selected("GET", "/v1/keys"), "GET /v1/keys");
        assert_eq!(selected("POST", "/v1/keys"), "ANY /v1/keys");
        assert_eq!(selected("GET", "/v1/other"), "GET /v1/{thing}");
        assert_eq!(selected("POST", "/v1/other"), "ANY /v1/{proxy+}");
        assert_eq!(selected("GET", "/v1/programs/x"), "GET /v1/programs/{b}");
        assert_eq!(selected("GET", "/v1/x/y"), "GET /v1/{a}/{b}");
        assert_eq!(selected("GET", "/v1/x/y/z"), "ANY /v1/{proxy+}");
        assert_eq!(selected("GET", "/v2"), "$default");
        assert_eq!(
            selected("GET", "/v1/"),
            "$default",
            "an empty segment is no parameter"
        );
    }

    #[test]
    fn parameters_are_taken_from_the_path() {
        let routes = routes(&["GET /r/{code}", "GET /f/{rest+}"]);
        let found = routes.select("GET", "/r/ann bakes").unwrap();
        assert_eq!(found.parameters.get("code").unwrap(), "ann bakes");
        let found = routes.select("GET", "/f/a/b").unwrap();
        assert_eq!(found.parameters.get("rest").unwrap(), "a/b");
        assert_eq!(routes.select("HEAD", "/r/x"), None);
        assert_eq!(routes.select("GET", "/r/x/y"), None);
    }
}
