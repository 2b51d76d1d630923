-- Clients of the hub's own authorization server: how they prove who they are and what they may ask for.

alter table client
  -- Public keys (RFC 7517), each with `kid` and `alg`. Null: this client gets no token here (its issuer is another, or
  -- the operator makes its tokens).
  add column keys jsonb,
  -- SMART v2 scopes it may be granted, in whole or in part.
  add column scopes text[] not null default '{}';

-- Client assertions that were used: each is good for one request. One insert decides, so of any number sent at once to any
-- number of processes one succeeds.
create table client_assertion (
  issuer text not null,
  client text not null,
  -- SHA-256 of its `jti`, base64url.
  jti text not null,
  used_at timestamptz not null default now(),
  -- After this the assertion is refused anyway and the row may go.
  expires_at timestamptz not null,
  primary key (issuer, client, jti)
);
-- How many a client used of late.
create index client_assertion_used on client_assertion (issuer, client, used_at);
create index client_assertion_expires on client_assertion (expires_at);
