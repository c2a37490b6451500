#![no_main]
kith_fuzz::fuzzed!(receivers);
