-- One of many values.
select count(*), min(event_time) from hits where user_id = 435090932899640449 or client_ip = 1;
