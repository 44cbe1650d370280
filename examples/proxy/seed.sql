-- Plain SQL, sent through the proxy: `ssn` and `diagnosis` are sealed on the way.
INSERT INTO patients (id, name, ssn, diagnosis) VALUES
    (1, 'Ada Lovelace', '078-05-1120', 'migraine'),
    (2, 'Alan Turing', '219-09-9999', 'hay fever'),
    (3, 'Grace Hopper', '457-55-5462', 'migraine')
ON CONFLICT (id) DO NOTHING;
SELECT id, name, ssn, diagnosis FROM patients ORDER BY id;
SELECT name FROM patients WHERE ssn = '219-09-9999';
