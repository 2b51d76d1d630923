-- What devices measured, value by value, of metrics that are summed up: an hour or a day is computed again from here when a sample comes
-- late or is corrected. With the patient's bucket in front, as all that is a patient's.
create table device_sample (
  bucket         integer          not null,
  patient        text             collate "C" not null,
  endpoint_id    int              not null,
  metric         text             collate "C" not null,
  -- The source's id of it, or a hash of what it says beside its value.
  key            text             collate "C" not null,
  began_at       timestamptz(3)   not null,
  ended_at       timestamptz(3)   not null,
  -- Minutes that the clock of whoever was measured was ahead of UTC.
  offset_minutes smallint         not null,
  -- In the metric's unit.
  value          double precision not null,
  primary key (bucket, patient, endpoint_id, metric, key)
);
create index device_sample_time on device_sample (bucket, patient, endpoint_id, metric, began_at);
