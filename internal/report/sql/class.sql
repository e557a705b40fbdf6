-- The class of a method of payment, of type (payment_method_details.type) and category (Klarna's payment_method_category).
--
-- bnpl          the buyer pays later or in parts, by a service whose business that is; of Klarna's payments those of such a category.
-- bnpl_unknown  Klarna without a category that is known.
-- card          cards, those with a plan of the bank, those that a terminal read and Korean ones too.
-- other         all else: Klarna's payments at once, and PayPal, which does not tell what was paid later.
case
	when type = 'klarna' and category in ('pay_later', 'pay_in_installments', 'pay_with_financing') then 'bnpl'
	when type = 'klarna' and category = 'pay_now' then 'other'
	when type = 'klarna' then 'bnpl_unknown'
	when type in ('affirm', 'afterpay_clearpay', 'alma', 'billie', 'capchase_pay', 'kriya', 'mondu', 'rechnung', 'scalapay', 'sequra', 'sunbit', 'zip') then 'bnpl'
	when type in ('card', 'card_present', 'interac_present', 'kr_card') then 'card'
	else 'other'
end
