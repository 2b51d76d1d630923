-- How long the content of messages is kept (HUB_MESSAGE_DAYS): it is emptied where it lies, in the order of arrival (decision 0034).

-- How far the archive has been emptied.
create table message_retention (emptied_to bigint not null);
insert into message_retention values (0);

-- Before that, what was not processed when its time was over: no record is thrown away that nobody has read. It goes when it has been.
create table message_left (message_id bigint primary key);
