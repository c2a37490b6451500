#![no_main]
kith_fuzz::fuzzed!(user_agents);
