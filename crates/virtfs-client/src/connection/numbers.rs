//! Which fid numbers are free.

/// The fid numbers of a connection. One that was given up is used again only when no request that
/// names it is on its way any more.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// By number.
    numbers: Vec<Number>,
    free: Vec<u32>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Number {
    /// Requests on their way that name it.
    named: u32,
    given_up: bool,
}

impl Numbers {
    pub(super) fn take(&mut self) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            let next = self.numbers.len();
            self.numbers.push(Number::default());
            u32::try_from(next).unwrap_or(u32::MAX - 1)
        });
        if let Some(entry) = self.entry(number) {
            *entry = Number::default();
        }
        number
    }

    /// Nobody here holds the number any more, and the server does not know it.
    pub(super) fn give_up(&mut self, number: u32) {
        let Some(entry) = self.entry(number).filter(|entry| !entry.given_up) else {
            return;
        };
        entry.given_up = true;
        if entry.named == 0 {
            self.free.push(number);
        }
    }

    pub(super) fn request_names(&mut self, number: u32) {
        if let Some(entry) = self.entry(number) {
            entry.named += 1;
        }
    }

    pub(super) fn request_ended(&mut self, number: u32) {
        let Some(entry) = self.entry(number) else {
            return;
        };
        entry.named = entry.named.saturating_sub(1);
        if entry.named == 0 && entry.given_up {
            self.free.push(number);
        }
    }

    fn entry(&mut self, number: u32) -> Option<&mut Number> {
        self.numbers.get_mut(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_when_it_is_given_up_and_unnamed() {
        let mut numbers = Numbers::default();
        let (a, b) = (numbers.take(), numbers.take());
        numbers.request_names(a);
        numbers.give_up(a);
        assert_eq!(numbers.take(), 2, "a request still names the first");
        numbers.request_ended(a);
        assert_eq!(numbers.take(), a);
        numbers.give_up(b);
        numbers.give_up(b);
        assert_eq!(numbers.take(), b);
        assert_eq!(numbers.take(), 3, "a number is not free twice");
    }
}
