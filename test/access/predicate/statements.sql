-- a service
cross join lateral (select case when (r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) then 'published' else case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $5 and issuer = $6) and r_access.decided_by > '' returning r_access.decided_by

-- a service: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- a service, of one type
cross join lateral (select case when r.owner = $1 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $4 and issuer = $5) and r_access.decided_by > '' returning r_access.decided_by

-- a service, of one type: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- for two purposes
cross join lateral (select case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits and rule.purposes & $1::int <> 0) @> (r.other_patients || r.patient) and array_agg(rule.patient) filter (where rule.permits and rule.purposes & $2::int <> 0) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $5 and issuer = $6) and r_access.decided_by > '' returning r_access.decided_by

-- for two purposes: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits and rule.purposes & $2::int <> 0) @> (r.other_patients || r.patient) and array_agg(rule.patient) filter (where rule.permits and rule.purposes & $3::int <> 0) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($6::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($7::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($8::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($9::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end > '' )

-- for payment
cross join lateral (select case when (r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) then 'published' else case when r.patient is not null and not r.is_deleted and r.type = any('{103,1,17,19,20,31,32,33,46,47,53,67,104,105}'::smallint[]) and (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all('{1,17,19,20,31,32,33,46,47,53,67,104,105}'::smallint[]::bigint[])))
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $4 and issuer = $5) and r_access.decided_by > '' returning r_access.decided_by

-- for payment: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.patient is not null and not r.is_deleted and r.type = any('{103,1,17,19,20,31,32,33,46,47,53,67,104,105}'::smallint[]) and (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all('{1,17,19,20,31,32,33,46,47,53,67,104,105}'::smallint[]::bigint[])))
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($4::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($5::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($6::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($7::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end > '' and (case when position('"contained":' in h.body) > 0 then array(
    select array_position($8::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($9::text[])) else '{}'::int[] end) <@ '{1,17,19,20,31,32,33,46,47,53,67,104,105}'::smallint[]::int[])

-- scopes with a query
cross join lateral (select case when (r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) then 'published' else case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end as decided_by offset 0) r_access where /* visible r */ ((r.type = $5 and r.tokens && $6::bigint[]) or r.type = any($7::smallint[])) and not exists (select from revoked_token where jti = $8 and issuer = $9) and r_access.decided_by > '' returning r_access.decided_by

-- scopes with a query: an older version
(r.type = any($1::smallint[])) and ((r.owner = $2 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $3 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($6::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($7::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($8::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($9::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- a launch context
cross join lateral (select case when r.owner = $1 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end as decided_by offset 0) r_access where /* visible r */ r.patient = any(array(
    select $4::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $5 and other.patient <> $6)) and not exists (select from revoked_token where jti = $7 and issuer = $8) and r_access.decided_by > '' returning r_access.decided_by

-- a launch context: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- an emergency
cross join lateral (select case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then coalesce((
    select 'break-glass:' || glass.id from break_glass glass
    where glass.client = $1 and glass.issuer = $2 and glass.subject = $3 and glass.closes_at > statement_timestamp()
      and r.labels & ~glass.labels = 0
      and (r.other_patients || r.patient) <@ array(
        select glass.patient union all
        select other.patient from person_member one join person_member other on other.person = one.person
        where one.patient = glass.patient and other.patient <> glass.patient)
      and not exists (
        select from consent_rule rule
        where rule.patient = any((r.other_patients || r.patient)) and rule.purposes & 1 = 0 and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens) and rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)))
    order by glass.opened_at limit 1), (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule)) end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $6 and issuer = $7) and r_access.decided_by > '' returning r_access.decided_by

-- an emergency: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then coalesce((
    select 'break-glass:' || glass.id from break_glass glass
    where glass.client = $2 and glass.issuer = $3 and glass.subject = $4 and glass.closes_at > statement_timestamp()
      and r.labels & ~glass.labels = 0
      and (r.other_patients || r.patient) <@ array(
        select glass.patient union all
        select other.patient from person_member one join person_member other on other.person = one.person
        where one.patient = glass.patient and other.patient <> glass.patient)
      and not exists (
        select from consent_rule rule
        where rule.patient = any((r.other_patients || r.patient)) and rule.purposes & 1 = 0 and rule.recipient = any($5::text[]) and rule.purposes & $6 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($9::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($10::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) and rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)))
    order by glass.opened_at limit 1), (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($5::text[]) and rule.purposes & $6 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($11::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($12::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($13::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($14::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule)) end > '' )

-- no source
cross join lateral (select case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($1::text[]) and rule.purposes & $2 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $3 and issuer = $4) and r_access.decided_by > '' returning r_access.decided_by

-- no source: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($4::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($5::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($6::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($7::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end > '' )

-- rows of one patient
cross join (select (select case when bool_or(not rule.is_deny) then coalesce(min(case when rule.is_deny and rule.labels = 0 and (rule.types is null or rule.types && $1::smallint[]) then '' when not rule.is_deny and (rule.labels = 0 or rule.labels & 134217728 <> 0) and (rule.types is null or rule.types @> $2::smallint[])
    and num_nonnulls(rule.codes, rule.data_from, rule.sources, rule.instances) = 0 then 'consent:' || rule.consent_id || '/' || rule.version end), '') end from consent_rule rule where rule.patient = $3 and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to) as whole offset 0) r_known cross join lateral (select case when r.owner = $6 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then case when r.labels = 0 and r.other_patients is null and r.type = any($7::smallint[]) and not 0 = any(r.tokens) and case when r.patient = $3 then r_known.whole end > '' then case when r.patient = $3 then r_known.whole end when case when r.patient = $3 then r_known.whole end is not null then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $8 and issuer = $9) and r_access.decided_by > '' returning r_access.decided_by

-- rows of one patient: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- rows of two patients
cross join (select (select jsonb_object_agg(patient, whole) from (
          select rule.patient, case when bool_or(not rule.is_deny) then coalesce(min(case when rule.is_deny and rule.labels = 0 and (rule.types is null or rule.types && $1::smallint[]) then '' when not rule.is_deny and (rule.labels = 0 or rule.labels & 134217728 <> 0) and (rule.types is null or rule.types @> $2::smallint[])
    and num_nonnulls(rule.codes, rule.data_from, rule.sources, rule.instances) = 0 then 'consent:' || rule.consent_id || '/' || rule.version end), '') end as whole from consent_rule rule where rule.patient = any($3::text[]) and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to
          group by rule.patient) of_patient) as whole offset 0) r_known cross join lateral (select case when r.owner = $6 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then case when r.labels = 0 and r.other_patients is null and r.type = any($7::smallint[]) and not 0 = any(r.tokens) and r_known.whole ->> r.patient > '' then r_known.whole ->> r.patient when r_known.whole ->> r.patient is not null then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($4::text[]) and rule.purposes & $5 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $8 and issuer = $9) and r_access.decided_by > '' returning r_access.decided_by

-- rows of two patients: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- rows of one patient, of any type
cross join (select (select case when bool_or(not rule.is_deny) then coalesce(min(case when rule.is_deny and rule.labels = 0 and true then '' when not rule.is_deny and (rule.labels = 0 or rule.labels & 134217728 <> 0) and rule.types is null
    and num_nonnulls(rule.codes, rule.data_from, rule.sources, rule.instances) = 0 then 'consent:' || rule.consent_id || '/' || rule.version end), '') end from consent_rule rule where rule.patient = $1 and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to) as whole offset 0) r_known cross join lateral (select case when (r.owner = $4 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) then 'published' else case when r.owner = $5 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then case when r.labels = 0 and r.other_patients is null and case when r.patient = $1 then r_known.whole end > '' then case when r.patient = $1 then r_known.whole end when case when r.patient = $1 then r_known.whole end is not null then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $6 and issuer = $7) and r_access.decided_by > '' returning r_access.decided_by

-- rows of one patient, of any type: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- Tasks
cross join lateral (select case when r.owner = $1 then 'source' else case when r.owner = any($2::text[]) and (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[]) then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $4 and issuer = $5) and r_access.decided_by > '' returning r_access.decided_by

-- Tasks: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- what is published
cross join lateral (select case when (r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) then 'published' else case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $5 and issuer = $6) and r_access.decided_by > '' returning r_access.decided_by

-- what is published: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- a Subscription
 where /* visible r */ r.type = $1 and r.owner = $2 and not exists (select from revoked_token where jti = $3 and issuer = $4)  returning 'source'::text

-- a Subscription: an older version
true

-- a row to be changed
cross join lateral (select case when r.owner = $1 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($2::text[]) and rule.purposes & $3 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens)
      offset 0) rule) end end as decided_by offset 0) r_access where /* visible r */ not exists (select from revoked_token where jti = $4 and issuer = $5) and r_access.decided_by > '' returning r_access.decided_by

-- a row to be changed: an older version
true and ((r.owner = $1 and r.patient is null and not r.is_deleted
    and r.type = any('{13,22,25,27,65,94,98,123,128,129,144}'::smallint[])) or case when r.owner = $2 then 'source' else case when r.patient is not null and not r.is_deleted and r.type <> all('{7,8,9,12,29,58,69,70,73,102,106,111,130}'::smallint[]) and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[])
    then (
    select case when array_agg(rule.patient) filter (where rule.permits ) @> (r.other_patients || r.patient)
      then min(case when rule.denies then '' when rule.permits and rule.patient = r.patient then 'consent:' || rule.consent_id || '/' || rule.version end) end
    from (
      select rule.patient, rule.purposes, rule.consent_id, rule.version, not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to)) as permits, rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)) as denies
      from consent_rule rule where rule.patient = any((r.other_patients || r.patient)) and rule.recipient = any($3::text[]) and rule.purposes & $4 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and (((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($5::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($6::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($7::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($8::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances))))
      offset 0) rule) end end > '' )

-- the patient
cross join lateral (select 'self'::text as decided_by offset 0) r_access where /* visible r */ r.patient = any(array(
    select $1::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $2 and other.patient <> $3)) and r.patient = any(array(
    select $4::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $5 and other.patient <> $6)) and (r.other_patients is null or r.other_patients <@ array(
    select $7::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $8 and other.patient <> $9)) and not exists (select from revoked_token where jti = $10 and issuer = $11) and r_access.decided_by > '' returning r_access.decided_by

-- the patient: an older version
true

-- a proxy
cross join lateral (select 'proxy'::text as decided_by offset 0) r_access where /* visible r */ r.patient = any(array(
    select $1::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $2 and other.patient <> $3)) and r.patient = any(array(
    select $4::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $5 and other.patient <> $6)) and (r.other_patients is null or r.other_patients <@ array(
    select $7::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $8 and other.patient <> $9)) and (case (select case
    when related.relationship = 'caregiver' then 'whole'
    when related.relationship = 'none' then null
    when statement_timestamp() < child.date_low + make_interval(years => $10::int) then 'whole'
    when statement_timestamp() < child.date_low + make_interval(years => $11::int) then 'ordinary'
    when related.relationship = 'guardian' and related.valid_from >= child.date_high + make_interval(years => $12::int) then 'whole' end from proxy related left join resource child on child.bucket = related.bucket and child.type = $13
  and child.id = related.patient and not child.is_deleted
    where related.related_person = $14 and related.patient = any(array(
    select $15::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $16 and other.patient <> $17)) and (related.trusted_by is not null and related.refused_by is null
    and statement_timestamp() >= related.valid_from and statement_timestamp() < related.valid_to))
      when 'whole' then true
      when 'ordinary' then r.type <> 29
        and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[]) and (r.labels & 2147458799 = 0 or exists (
        select from consent_rule rule where rule.patient = r.patient and rule.recipient = $18 and rule.purposes & 528 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and ((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens) or (rule.is_deny and r.is_deleted and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) and not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to))))
      else false end
    and not exists (
      select from consent_rule rule
      where rule.patient = any(r.other_patients || r.patient) and rule.recipient = $19 and rule.purposes & 528 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and ((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.codes && r.tokens) or (rule.is_deny and r.is_deleted and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) and rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from)))) and not exists (select from revoked_token where jti = $20 and issuer = $21) and r_access.decided_by > '' returning r_access.decided_by

-- a proxy: an older version
true and (case (select case
    when related.relationship = 'caregiver' then 'whole'
    when related.relationship = 'none' then null
    when statement_timestamp() < child.date_low + make_interval(years => $1::int) then 'whole'
    when statement_timestamp() < child.date_low + make_interval(years => $2::int) then 'ordinary'
    when related.relationship = 'guardian' and related.valid_from >= child.date_high + make_interval(years => $3::int) then 'whole' end from proxy related left join resource child on child.bucket = related.bucket and child.type = $4
  and child.id = related.patient and not child.is_deleted
    where related.related_person = $5 and related.patient = any(array(
    select $6::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $7 and other.patient <> $8)) and (related.trusted_by is not null and related.refused_by is null
    and statement_timestamp() >= related.valid_from and statement_timestamp() < related.valid_to))
      when 'whole' then true
      when 'ordinary' then r.type <> 29
        and not (r.type = 140 and r.tokens @> '{3430467440021830347}'::bigint[]) and (r.labels & 2147458799 = 0 or exists (
        select from consent_rule rule where rule.patient = r.patient and rule.recipient = $9 and rule.purposes & 528 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and ((((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($10::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($11::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($12::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($13::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) or (rule.is_deny and r.is_deleted and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) and not rule.is_deny and r.labels & ~rule.labels = 0 and (r.labels <> 0 or (rule.labels = 0 or rule.labels & 134217728 <> 0))
    and (rule.data_from is null or (r.clinical_from >= rule.data_from and r.clinical_to <= rule.data_to))))
      else false end
    and not exists (
      select from consent_rule rule
      where rule.patient = any(r.other_patients || r.patient) and rule.recipient = $14 and rule.purposes & 528 <> 0 and statement_timestamp() >= rule.valid_from and statement_timestamp() < rule.valid_to and ((((rule.types is null
      or (r.type = any(rule.types) and (rule.is_deny or (not 0 = any(r.tokens) or not exists (
    select from unnest(r.tokens) part (type) where part.type between 1 and 146 and part.type <> all(rule.types::bigint[])))))
      or (rule.is_deny and rule.types::bigint[] && r.tokens))
    and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)) and (rule.codes is null or rule.is_deny)
      and (rule.types is null or rule.is_deny or (case when position('"contained":' in h.body) > 0 then array(
    select array_position($10::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($11::text[])) else '{}'::int[] end) <@ rule.types::int[]))
    or (rule.is_deny and rule.types::int[] && (case when position('"contained":' in h.body) > 0 then array(
    select array_position($12::text[], part ->> 'resourceType')
    from json_array_elements(h.body::json -> 'contained') part
    where part ->> 'resourceType' = any($13::text[])) else '{}'::int[] end) and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) or (rule.is_deny and r.is_deleted and (rule.sources is null or r.owner = any(rule.sources))
    and (rule.instances is null or r.type::text || '/' || r.id = any(rule.instances)))) and rule.is_deny and (rule.labels = 0 or rule.labels & r.labels <> 0)
    and (rule.data_from is null or (r.clinical_from < rule.data_to and r.clinical_to > rule.data_from))))

-- no purpose
 where /* visible r */ false returning null::text

-- no purpose: an older version
true

-- what a service wrote
 where /* visible r */ r.owner = $1 and not exists (select from revoked_token where jti = $2 and issuer = $3) returning 'source'::text

-- what a service wrote: an older version
true

-- what a proxy wrote
 where /* visible r */ r.patient = any(array(
    select $1::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $2 and other.patient <> $3)) and r.owner = $4 and (select related.may_consent and case
    when related.relationship = 'caregiver' then 'whole'
    when related.relationship = 'none' then null
    when statement_timestamp() < child.date_low + make_interval(years => $5::int) then 'whole'
    when statement_timestamp() < child.date_low + make_interval(years => $6::int) then 'ordinary'
    when related.relationship = 'guardian' and related.valid_from >= child.date_high + make_interval(years => $7::int) then 'whole' end = 'whole' from proxy related left join resource child on child.bucket = related.bucket and child.type = $8
  and child.id = related.patient and not child.is_deleted
    where related.related_person = $9 and related.patient = any(array(
    select $10::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = $11 and other.patient <> $12)) and (related.trusted_by is not null and related.refused_by is null
    and statement_timestamp() >= related.valid_from and statement_timestamp() < related.valid_to)) and not exists (select from revoked_token where jti = $13 and issuer = $14) returning 'proxy'::text

-- what a proxy wrote: an older version
true
