-- Header values of subscriptions are sealed by the same keys and in the same writing as all secrets at rest (src/access/secrets/). What
-- was sealed in the former way does not open any more: such a subscription rests until its creator writes it again.
update subscription set status = 'error', error = 'the header values can no longer be opened: write the Subscription again'
where headers is not null and status <> 'off';
alter table subscription alter column headers type text using null;
