//! Threads that take the oldest work first, so that frames leave before new ones are begun.

use crate::evaluate::lock;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, PoisonError};

/// Work in order of age.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: BinaryHeap<Reverse<Aged<T>>>,
    is_closed: bool,
}

/// Work with its age: compared by that alone.
struct Aged<T> {
    age: (u64, usize),
    work: T,
}

impl<T> PartialEq for Aged<T> {
    fn eq(&self, other: &Self) -> bool {
        self.age == other.age
    }
}

impl<T> Eq for Aged<T> {}

impl<T> PartialOrd for Aged<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Aged<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.age.cmp(&other.age)
    }
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State { waiting: BinaryHeap::new(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts work in; the smallest age, frame and stage, is taken first.
    pub(super) fn push(&self, age: (u64, usize), work: T) {
        lock(&self.state).waiting.push(Reverse(Aged { age, work }));
        self.changed.notify_one();
    }

    /// The oldest work; waits for some. `None` once the queue is closed.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = lock(&self.state);
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(Reverse(oldest)) = state.waiting.pop() {
                return Some(oldest.work);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends all waiting; what is left is dropped.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_comes_first() {
        let queue = Queue::new();
        for age in [(3, 0), (1, 2), (1, 1), (2, 0)] {
            queue.push(age, age);
        }
        let order: Vec<_> = (0..4).filter_map(|_| queue.pop()).collect();
        assert_eq!(order, [(1, 1), (1, 2), (2, 0), (3, 0)]);
        queue.close();
        assert_eq!(queue.pop(), None);
    }
}
