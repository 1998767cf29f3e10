std = "lua54"
max_line_length = 100
exclude_files = { "build", "build-*" }
-- The types are annotations: functions without bodies, arguments never used.
files["lua/neap/types"] = { unused_args = false, ignore = { "212", "241" } }
files["spec"] = { std = "+busted" }
-- busted's own file, and the rockspec's own names.
files[".busted"] = { std = "lua54" }
files["rockspec/*.rockspec"] = { std = "+rockspec" }
