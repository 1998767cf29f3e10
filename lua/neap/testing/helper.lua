-- neap.testing.helper: a busted helper: every test runs in neap.testing.run, so
-- it may wait, has a time limit, and must leave no task and no handle behind.
--
--   busted --helper=neap.testing.helper -Xhelper timeout=5,clock=virtual
--
-- or in .busted: helper = "neap.testing.helper". `neap test` needs no helper.
local ours = require("neap.testing.busted")

-- busted has put -Xhelper's words there.
ours.attach(require("busted"), ours.read(arg))
