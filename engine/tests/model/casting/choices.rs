//! Where choices come from: a seed, or bytes that somebody else chooses, as a fuzzer does.

/// One choice after the other.
#[derive(Debug)]
pub(crate) struct Choices<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Seed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// As many as are wanted.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Source::Seed(seed))
    }

    /// A byte a choice, mostly; when they are used up, each is the first.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(Source::Bytes(bytes))
    }

    /// Whether there is nothing more to choose by.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.0, Source::Bytes([]))
    }

    /// One of the first `count` numbers.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let count = count.max(1) as u64;
        let number = match &mut self.0 {
            // SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators, 2014).
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
            Source::Bytes(bytes) => {
                let mut number = 0;
                for _ in 0..if count > 256 { 2 } else { 1 } {
                    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
                    number = number << 8 | u64::from(*first);
                    *bytes = rest;
                }
                number
            }
        };
        usize::try_from(number % count).expect("less than what was asked for")
    }

    /// From one number to another, both possible.
    pub(crate) fn within(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }

    /// A byte from one to another.
    pub(crate) fn small(&mut self, least: u8, most: u8) -> u8 {
        u8::try_from(self.within(least.into(), most.into())).expect("a byte")
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// One of several by their weights, as its number.
    pub(crate) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    /// `Some` in so many of a hundred cases.
    pub(crate) fn maybe<T>(&mut self, percent: usize, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.percent(percent).then(|| some(self))
    }
}
