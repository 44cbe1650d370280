\set number random(1, 20)
\set value random(777712345000, 777712346000)
BEGIN;
SELECT code, t, n8 FROM items WHERE n4 = :number;
UPDATE items SET n8 = :value, t = :text WHERE n4 = :number;
INSERT INTO orders (item_code, quantity, remark) VALUES (:code, :number, :text);
SELECT i.id, o.remark FROM items i JOIN orders o ON o.item_code = i.code WHERE o.quantity = :number;
END;
