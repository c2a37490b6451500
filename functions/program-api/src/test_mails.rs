//! `GET P/test-mails`: what a test program would have sent.

use kith_domain::id::MailId;
use kith_edge::http::Response;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::TestMail;
use kith_store::keys;

use crate::call::{Call, test_only};

/// `GET P/test-mails`, newest first.
pub(crate) async fn list(call: Call) -> Result<Response, Ended> {
    let query = call.query(|fields, faults| call.paging(fields, faults));
    let (_, view, paging) = call.program(query, |_, _, _| Vec::new()).await?;
    test_only(&view)?;
    let end = paging.to.map(|to| MailId::floor_of(to).to_string());
    let after = paging.after.or(end);
    let partition = keys::test_mails(view.program.id);
    let page = view
        .store
        .partition::<TestMail>(&partition, after.as_deref(), true, paging.limit)
        .await?;
    let read = page.items.len();
    let mails: Vec<wire::TestMail> = page
        .items
        .iter()
        .take_while(|mail| paging.from.is_none_or(|from| mail.id.at() >= from))
        .map(written)
        .collect();
    // Older ones than were asked for have begun.
    let next = page.next.filter(|_| mails.len() == read);
    Ok(call.listed(mails, next.as_deref()))
}

fn written(mail: &TestMail) -> wire::TestMail {
    wire::TestMail {
        id: mail.id.into(),
        to: mail.to.clone(),
        subject: mail.subject.clone(),
        text: mail.text.clone(),
        html: mail.html.clone(),
        headers: mail.headers.clone(),
    }
}
