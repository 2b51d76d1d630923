-- Where clients may come from, and keys that are no longer believed.

alter table client
  -- CIDR; empty: from anywhere.
  add column networks text[] not null default '{}',
  -- Ids of its keys that were taken back: what was obtained by one of them is refused, and none is registered again.
  add column revoked_keys text[] not null default '{}';

-- Signing keys of the hub's own issuer that were taken back, known to every process whatever is in its data directory.
create table revoked_issuer_key (
  issuer text not null,
  kid text not null,
  revoked_at timestamptz not null default now(),
  primary key (issuer, kid)
);
