//! Where endpoints may be. A URL is checked when it is saved, so that its owner learns at once what is
//! wrong with it; whoever delivers checks again.

use kith_connectors::{Client, Destination, Limits, Reach, Unreachable};
use kith_edge::config::Origin;
use kith_edge::http::{Fault, Problem};
use kith_edge::json::{self, Faults, Member};
use tokio::sync::OnceCell;

/// What checks URLs of endpoints.
#[derive(Debug)]
pub(crate) struct Destinations {
    reach: Reach,
    /// Made when it is first needed: it reads the system's certificates, and few calls need it.
    client: OnceCell<Client>,
}

impl Destinations {
    /// For a bundle that is reached here.
    pub(crate) fn of(public: Option<&Origin>) -> Self {
        Self {
            reach: Reach::of_bundle(public.is_some_and(Origin::is_plain_http)),
            client: OnceCell::new(),
        }
    }

    /// Reads a URL, as far as that goes without looking its host up.
    pub(crate) fn parser(&self) -> impl FnOnce(Member, &mut Faults) -> Option<Destination> + use<> {
        let reach = self.reach;
        move |member, faults| {
            let pointer = member.pointer.clone();
            let text = json::string(member, faults)?;
            Destination::parse(&text, reach)
                .map_err(|error| faults.add(pointer, error.to_string()))
                .ok()
        }
    }

    /// Refuses a URL at `/url` whose host leads nowhere now, or where webhooks must not go.
    pub(crate) async fn check(&self, destination: &Destination) -> Result<(), Problem> {
        let make = async || Client::new(self.reach);
        let client = self.client.get_or_try_init(make).await;
        let client = client.map_err(Problem::internal)?;
        let checked = client.check(destination, Limits::default()).await;
        checked.map_err(|reason| {
            let detail = match reason {
                Unreachable::ForbiddenAddress => reason.to_string(),
                Unreachable::NotResolved | Unreachable::TimedOut => {
                    format!("{reason}: save it when its name leads somewhere")
                }
            };
            Problem::invalid_request(vec![Fault::new("/url", detail)])
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use kith_connectors::{Internet, Resolving};

    use super::*;

    /// A name server that knows these addresses of every name.
    #[derive(Debug)]
    struct Knows(Vec<IpAddr>);

    impl Internet for Knows {
        fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    async fn saved(reach: Reach, url: &str, addresses: &[&str]) -> Result<(), String> {
        let known = addresses.iter().map(|address| address.parse().unwrap());
        let client = Client::over(reach, Arc::new(Knows(known.collect()))).unwrap();
        let destinations = Destinations {
            reach,
            client: OnceCell::new_with(Some(client)),
        };
        let destination = Destination::parse(url, reach).map_err(|error| error.to_string())?;
        let checked = destinations.check(&destination).await;
        checked.map_err(|problem| format!("{problem:?}"))
    }

    #[tokio::test]
    async fn a_url_is_saved_when_its_host_is_where_webhooks_may_go() {
        let (public, inside) = (["93.184.215.14"], ["10.0.0.7", "169.254.169.254"]);
        let url = "https://hooks.example.com/kith";
        for reach in [Reach::Public, Reach::LocalToo] {
            assert_eq!(saved(reach, url, &public).await, Ok(()));
            let refused = saved(reach, url, &inside).await.unwrap_err();
            assert!(refused.contains("private, local or reserved"), "{refused}");
            assert!(refused.contains("/url"), "{refused}");
            let refused = saved(reach, url, &[]).await.unwrap_err();
            assert!(
                refused.contains("its host is not found: save it"),
                "{refused}"
            );
            let refused = saved(reach, url, &["127.0.0.1"]).await.unwrap_err();
            assert!(refused.contains("private, local or reserved"), "{refused}");
        }
        let local = "http://localhost:8080/kith";
        assert_eq!(saved(Reach::LocalToo, local, &["127.0.0.1"]).await, Ok(()));
        assert!(saved(Reach::LocalToo, local, &public).await.is_err());
        assert!(saved(Reach::Public, local, &public).await.is_err());
    }

    #[test]
    fn only_one_machine_reaches_itself() {
        let reach = |url: Option<&str>| {
            let origin: Option<Origin> = url.map(|url| url.parse().unwrap());
            Destinations::of(origin.as_ref()).reach
        };
        assert_eq!(reach(None), Reach::Public);
        assert_eq!(reach(Some("https://go.example.com")), Reach::Public);
        assert_eq!(reach(Some("http://127.0.0.1:8787")), Reach::LocalToo);
    }
}
