//! libFuzzer over the targets of `kith-hostile`: inputs are kept and altered if they reach code that no other did.

pub use {kith_hostile, libfuzzer_sys};

/// A binary that fuzzes the target of this name.
#[macro_export]
macro_rules! fuzzed {
    ($target:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $crate::kith_hostile::$target($crate::kith_hostile::of_file(data));
        });
        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8],
                                              size: usize,
                                              max_size: usize,
                                              seed: u32| {
            $crate::mutated(data, size, max_size, seed)
        });
    };
}

/// Half of the inputs are altered as libFuzzer does it, with its dictionary, and half as the replay does, which knows JSON.
pub fn mutated(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed.is_multiple_of(2) {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut random = kith_hostile::Random::new(seed.into());
    let made = kith_hostile::mutate(&data[..size], &mut random);
    let made = &made[..made.len().min(max_size)];
    data[..made.len()].copy_from_slice(made);
    made.len()
}
