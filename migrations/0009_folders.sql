-- Sources that leave files in a directory, and how a batch is answered.
alter table endpoint drop constraint endpoint_kind_check;
alter table endpoint add constraint endpoint_kind_check check (kind in ('hl7v2-mllp', 'hl7v2-http', 'hl7v2-folder'));
alter table endpoint add column folder text;
alter table endpoint add column batch_ack text not null default 'messages' check (batch_ack in ('messages', 'batch'));
alter table endpoint add constraint endpoint_folder_check check ((kind = 'hl7v2-folder') = (folder is not null));
