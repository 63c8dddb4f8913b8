//! The registry of models: one file and one line each.

mod fork_per_client;
mod io_uring;
mod iterative;
mod mio_event_loop;
mod poll_reactor;
mod thread_per_client;
mod thread_pool;
mod tokio;

use crate::model::{Meta, Role, ServerModel};

/// Every model, in the order to show them.
pub static ALL: &[&dyn ServerModel] = &[
    &iterative::Iterative,
    &fork_per_client::ForkPerClient,
    &thread_per_client::ThreadPerClient,
    &thread_pool::ThreadPool,
    &mio_event_loop::MioEventLoop,
    &mio_event_loop::MioEventLoopInline,
    &poll_reactor::PollReactor,
    &io_uring::IoUring,
    &tokio::MultiThread,
    &tokio::CurrentThread,
    &tokio::shared_buffers::SharedBuffers,
];

/// The models of a comparison for which none are chosen.
pub fn standard() -> impl Iterator<Item = &'static dyn ServerModel> {
    ALL.iter().copied().filter(|model| model.meta().role != Role::Extra)
}

/// The first model of which `holds` is true, for whoever needs one of a kind.
pub fn first(holds: impl Fn(&Meta) -> bool) -> Option<&'static dyn ServerModel> {
    ALL.iter().copied().find(|model| holds(model.meta()))
}

/// The model of that name.
pub fn find(name: &str) -> Option<&'static dyn ServerModel> {
    ALL.iter().copied().find(|model| model.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (index, model) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name() != model.name()));
            assert_eq!(find(model.name()).map(ServerModel::name), Some(model.name()));
            assert!(!model.meta().summary.is_empty());
        }
        assert!(find("nosuch").is_none());
    }

    #[test]
    fn one_model_is_the_reference() {
        let references = ALL.iter().filter(|model| model.meta().role == Role::Reference);
        assert_eq!(references.count(), 1);
    }
}
