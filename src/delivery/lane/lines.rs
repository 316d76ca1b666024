//! The lines of a digest that was sent: what people are told of its groups later on changes them.

use std::collections::HashMap;

use super::leases::breathe;
use super::told::{Told, is_stale, scene};
use super::{Next, Worker};
use crate::alert::GroupId;
use crate::delivery::plan::{Step, plan};
use crate::delivery::speaker::{Target, Voice};
use crate::outbox::{Digest, Leased};
use crate::rendering::{Glance, Head};
use crate::telegram::MessageId;

impl Worker {
    /// Brings the lines of a digest up to date: those of `first` and of all that wait for the same.
    pub(super) async fn tell_lines(
        &mut self,
        mut voice: Voice<'_>,
        first: Leased,
        message: MessageId,
    ) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let room = delivery.shared.gathering.acquire().await;
        if with.tasks.is_stopping() {
            self.give_back(Some(first)).await;
            return Next::Again;
        }
        let digest = match with.outbox.digest(&self.lane, message).await {
            Ok(digest) => digest.filter(|digest| digest.chat == voice.number),
            Err(error) => {
                drop(room);
                self.give_back(Some(first)).await;
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        let (renderer, options) = (with.renderer.load_full(), with.options.load_full());
        let mut leased = vec![first];
        if !self.weather.is_one_by_one() {
            match self.lease_some().await {
                Ok(more) => leased.extend(more),
                Err(error) => tracing::debug!(lane = %self.lane, %error, "one line changes alone"),
            }
        }
        let (mut told, mut rest, mut poisonous) = (Vec::new(), Vec::new(), Vec::new());
        for (index, leased) in leased.into_iter().enumerate() {
            breathe(index).await;
            let plan = plan(&leased.entry, leased.card.as_ref(), &voice.ground(&options));
            if plan.next != Some(Step::Line(message)) {
                rest.push(leased.lease);
                continue;
            }
            let glance = renderer.glance(&scene(&voice, &leased.entry, &plan.present));
            match Told::new(&leased, &plan, glance, is_stale(&leased, message)) {
                Ok(one) => told.push(one),
                Err(error) => poisonous.push((leased.lease, self.poisonous(&error))),
            }
        }
        drop(room);
        self.give_back_all(rest).await;
        self.settle_all(poisonous).await;
        if told.is_empty() {
            return Next::Again;
        }
        let Some(Digest { storm, mut lines, .. }) = digest else {
            self.leave_digest(told, message).await;
            return Next::Again;
        };
        bring_up_to_date(&mut lines, &told);
        let glances: Vec<&Glance> = lines.iter().map(|(_, glance)| glance).collect();
        let (part, _) = renderer.digest(Head::Standing, &glances, voice.chat.language);
        self.show_lines(&mut voice, &part, Target::Existing(message), (storm, lines), told).await
    }
}

/// Puts into a digest's lines how its groups stand now.
fn bring_up_to_date(lines: &mut Vec<(GroupId, Glance)>, told: &[Told]) {
    let at: HashMap<GroupId, usize> =
        lines.iter().enumerate().map(|(at, (group, _))| (group.clone(), at)).collect();
    for told in told {
        let (group, glance) = told.line();
        match at.get(&group) {
            Some(at) if told.stale => lines[*at].1.moved = true,
            Some(at) => lines[*at].1 = glance,
            None if told.stale => {}
            None => lines.push((group, glance)),
        }
    }
}
