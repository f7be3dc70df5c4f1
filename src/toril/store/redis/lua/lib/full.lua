-- use: base
-- What has to go on when Redis' memory is full: it looks at that before a script's first write alone, and this one needs
-- none.
call('DEL', T .. 'none')
