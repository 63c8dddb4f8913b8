//! The registry of models: one file and one line each.

mod coroutines;
mod datagrams;
mod elastic_pool;
mod fork_per_client;
mod io_uring;
mod iterative;
mod mio_event_loop;
mod multi_reactor;
mod poll_reactor;
mod prefork;
mod prefork_fd_passing;
mod prethread;
mod thread_per_client;
mod thread_pool;
mod thread_pool_per_request;
mod tokio;

use crate::model::{Meta, Role, ServerModel};
use std::sync::OnceLock;

/// Every model of this crate, in the order to show them.
pub static ALL: &[&dyn ServerModel] = &[
    &iterative::Iterative,
    &fork_per_client::ForkPerClient,
    &thread_per_client::ThreadPerClient,
    &thread_pool::ThreadPool,
    &thread_pool_per_request::ThreadPoolPerRequest,
    &elastic_pool::ElasticPool,
    &prethread::Prethread,
    &prefork::Prefork,
    &prefork_fd_passing::PreforkFdPassing,
    &mio_event_loop::MioEventLoop,
    &mio_event_loop::MioEventLoopInline,
    &multi_reactor::MultiReactor,
    &multi_reactor::SharedListener,
    &coroutines::Coroutines,
    &poll_reactor::PollReactor,
    &io_uring::IoUring,
    &tokio::MultiThread,
    &tokio::CurrentThread,
    &tokio::per_core::PerCore,
    &tokio::shared_buffers::SharedBuffers,
];

/// The models that a program brings itself.
static OWN: OnceLock<Vec<&'static dyn ServerModel>> = OnceLock::new();

/// Why models of somebody's own are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Two of one name.
    #[error("there are two models named `{0}`; give yours another name")]
    Twice(&'static str),
    /// Not kebab case.
    #[error(
        "`{0}` cannot name a model: small letters, digits and single hyphens make a name, and a letter is the first"
    )]
    Name(&'static str),
    /// Called a second time.
    #[error("models were added before; add all of them at once, before anything else asks for models")]
    Late,
}

/// Adds models of a crate of your own to those that [`all`] has: once in a program, before it asks for any.
///
/// # Errors
/// A name that cannot be one, or that another model has; a second call.
pub fn add(own: &[&'static dyn ServerModel]) -> Result<(), AddError> {
    for (at, model) in own.iter().enumerate() {
        let name = model.name();
        if !is_kebab_case(name) {
            return Err(AddError::Name(name));
        }
        if ALL.iter().chain(&own[..at]).any(|other| other.name() == name) {
            return Err(AddError::Twice(name));
        }
    }
    OWN.set(own.to_vec()).map_err(|_| AddError::Late)
}

fn is_kebab_case(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(word)
}

/// Every model, in the order to show them: those of this crate, then those that were [added](add).
pub fn all() -> impl Iterator<Item = &'static dyn ServerModel> {
    ALL.iter().chain(OWN.get().into_iter().flatten()).copied()
}

/// The models of a comparison for which none are chosen.
pub fn standard() -> impl Iterator<Item = &'static dyn ServerModel> {
    all().filter(|model| model.meta().role != Role::Extra)
}

/// The first model of which `holds` is true, for whoever needs one of a kind.
pub fn first(holds: impl Fn(&Meta) -> bool) -> Option<&'static dyn ServerModel> {
    all().find(|model| holds(model.meta()))
}

/// The model of that name.
pub fn find(name: &str) -> Option<&'static dyn ServerModel> {
    all().find(|model| model.name() == name)
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
    fn a_model_of_ones_own_has_a_name_of_its_own_in_kebab_case() {
        struct Named(&'static Meta);
        impl ServerModel for Named {
            fn meta(&self) -> &'static Meta {
                self.0
            }
            fn serve(&self, _: crate::Serving) -> std::io::Result<()> {
                Ok(())
            }
        }
        let named = |name: &'static str| -> &'static dyn ServerModel {
            let meta = Box::leak(Box::new(Meta { name, ..*ALL[0].meta() }));
            Box::leak(Box::new(Named(meta)))
        };
        for bad in ["", "My-Model", "my model", "my--model", "2-loops", "a[b=1]", "-x"] {
            assert_eq!(add(&[named(bad)]), Err(AddError::Name(bad)));
        }
        let tokio = ALL.last().expect("there are models").name();
        assert_eq!(add(&[named("mine"), named(tokio)]), Err(AddError::Twice(tokio)));
        assert_eq!(add(&[named("mine"), named("mine")]), Err(AddError::Twice("mine")));
    }

    #[test]
    fn one_model_is_the_reference() {
        let references = ALL.iter().filter(|model| model.meta().role == Role::Reference);
        assert_eq!(references.count(), 1);
    }
}
