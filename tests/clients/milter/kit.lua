-- Steps every script needs. Globals: SOCKET (given by -D).

function fail(text)
	error(text, 2)
end

function expect(good, text)
	if not good then fail(text) end
end

function open(client, helo)
	local c = mt.connect(SOCKET, 40, 0.1)
	expect(c ~= nil, "no connection")
	expect(mt.conninfo(c, "client.test", client or "192.0.2.9") == nil, "conninfo")
	mt.helo(c, helo or "client.test")
	return c
end

function envelope(c, from, to, login)
	if login then
		mt.macro(c, SMFIC_MAIL, "i", "Q1", "{auth_authen}", login)
	else
		mt.macro(c, SMFIC_MAIL, "i", "Q1")
	end
	expect(mt.mailfrom(c, from) == nil, "mailfrom")
	local reply = mt.getreply(c)
	if reply == SMFIR_CONTINUE or reply == SMFIR_ACCEPT then
		mt.rcptto(c, to)
	end
	return reply
end

-- Fields as {name, value} pairs.
function message(c, fields, body)
	for _, f in ipairs(fields) do
		expect(mt.header(c, f[1], f[2]) == nil, "header")
	end
	expect(mt.eoh(c) == nil, "eoh")
	if body ~= "" then
		expect(mt.bodystring(c, body) == nil, "body")
	end
	expect(mt.eom(c) == nil, "eom")
	return mt.getreply(c)
end

function field(c, name, n)
	return mt.getheader(c, name, n or 0)
end

function has(text, part)
	return text ~= nil and string.find(text, part, 1, true) ~= nil
end
