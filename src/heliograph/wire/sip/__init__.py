"""SIP, as much of it as a listener needs that refuses calls and registers at trunks (RFC 3261): bytes and records, no sockets."""
