"""The models of a server over zenoh, as queries and as streams, beside HTTP."""
