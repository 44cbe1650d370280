//! Which of several things that a task waits for has woken it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// The waker of one thing that a task waits for, as long as the task has the waker that it had.
#[derive(Debug, Default)]
pub(crate) struct Bell(Option<Rung>);

#[derive(Debug)]
struct Rung {
    bell: Arc<Inner>,
    /// `bell`, as what is waited for takes it.
    waker: Waker,
}

#[derive(Debug)]
struct Inner {
    task: Waker,
    rung: AtomicBool,
}

impl Bell {
    /// Whether it has rung since this was asked last. True as well when the task has another waker
    /// than it had, because what is waited for has only the old one.
    pub(crate) fn has_rung(&mut self, cx: &Context<'_>) -> bool {
        match &self.0 {
            Some(Rung { bell, .. }) if bell.task.will_wake(cx.waker()) => {
                // Read first: the flag is mostly down, and to write to it would be the dearer.
                bell.rung.load(Ordering::Relaxed) && bell.rung.swap(false, Ordering::Acquire)
            }
            _ => {
                let bell = Arc::new(Inner {
                    task: cx.waker().clone(),
                    rung: AtomicBool::new(false),
                });
                let waker = Waker::from(Arc::clone(&bell));
                self.0 = Some(Rung { bell, waker });
                true
            }
        }
    }

    /// What to poll the thing that is waited for with: the task's own until [`Bell::has_rung`] has
    /// been asked.
    pub(crate) fn waker<'a>(&'a self, cx: &'a Context<'_>) -> &'a Waker {
        self.0.as_ref().map_or(cx.waker(), |rung| &rung.waker)
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task is woken, which then finds it.
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_bell_tells_once_that_it_has_rung_and_wakes_the_task() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let cx = &Context::from_waker(&waker);
        let (mut one, mut other) = (Bell::default(), Bell::default());
        assert!(one.has_rung(cx) && other.has_rung(cx));
        assert!(!one.has_rung(cx) && !other.has_rung(cx));
        one.waker(cx).wake_by_ref();
        let kept = one.waker(cx).clone();
        kept.wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 2);
        assert!(one.has_rung(cx) && !other.has_rung(cx));
        assert!(!one.has_rung(cx));
    }

    #[test]
    fn a_task_with_another_waker_asks_everything_again() {
        let first = Waker::from(Arc::new(Task::default()));
        let task = Arc::new(Task::default());
        let second = Waker::from(Arc::clone(&task));
        let mut bell = Bell::default();
        assert!(bell.has_rung(&Context::from_waker(&first)));
        let cx = &Context::from_waker(&second);
        assert!(bell.has_rung(cx) && !bell.has_rung(cx));
        bell.waker(cx).wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert!(bell.has_rung(cx));
    }
}
