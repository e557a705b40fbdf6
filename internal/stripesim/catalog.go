package stripesim

// names of one part of the world: as written, and as mail addresses spell them.
type names struct {
	given, family           []string
	givenLatin, familyLatin []string
	familyFirst             bool
	domain                  string
}

var english = names{
	given:       []string{"Jenny", "Olivia", "Noah", "Ava", "Liam", "Grace", "Ethan", "Zoë", "Maya", "Jack"},
	family:      []string{"Rosen", "O'Brien", "Smith", "Nguyen", "Clarke", "Patel", "Jones-Reyes", "Wright", "Kelly", "Brown"},
	givenLatin:  []string{"jenny", "olivia", "noah", "ava", "liam", "grace", "ethan", "zoe", "maya", "jack"},
	familyLatin: []string{"rosen", "obrien", "smith", "nguyen", "clarke", "patel", "jonesreyes", "wright", "kelly", "brown"},
	domain:      "example.com",
}

var german = names{
	given:       []string{"Jürgen", "Anna", "Sophie", "Björn", "Lukas", "Femke", "Käthe", "Emre", "Mia", "Daan"},
	family:      []string{"Müller", "Weiß", "van Dijk", "Schröder", "Öztürk", "Becker", "de Vries", "Groß", "Hofmann", "Jansen"},
	givenLatin:  []string{"juergen", "anna", "sophie", "bjoern", "lukas", "femke", "kaethe", "emre", "mia", "daan"},
	familyLatin: []string{"mueller", "weiss", "vandijk", "schroeder", "oeztuerk", "becker", "devries", "gross", "hofmann", "jansen"},
	domain:      "example.de",
}

var nordic = names{
	given:       []string{"Åsa", "Björk", "Sigurður", "Elin", "Göran", "Freyja", "Nils", "Þóra"},
	family:      []string{"Lindqvist", "Guðmundsdóttir", "Öberg", "Svensson", "Ström", "Jónsson", "Åkesson", "Ek"},
	givenLatin:  []string{"asa", "bjork", "sigurdur", "elin", "goran", "freyja", "nils", "thora"},
	familyLatin: []string{"lindqvist", "gudmundsdottir", "oberg", "svensson", "strom", "jonsson", "akesson", "ek"},
	domain:      "example.se",
}

var french = names{
	given:       []string{"Chloé", "François", "Zoé", "Hugo", "Aïcha", "Théo"},
	family:      []string{"Lefèvre", "Dubois", "D'Angelo", "Moreau", "Benoît", "Diallo"},
	givenLatin:  []string{"chloe", "francois", "zoe", "hugo", "aicha", "theo"},
	familyLatin: []string{"lefevre", "dubois", "dangelo", "moreau", "benoit", "diallo"},
	domain:      "example.fr",
}

var spanish = names{
	given:       []string{"José", "María", "Íñigo", "Lucía"},
	family:      []string{"Muñoz", "García Peña", "Hernández", "Ibáñez"},
	givenLatin:  []string{"jose", "maria", "inigo", "lucia"},
	familyLatin: []string{"munoz", "garciapena", "hernandez", "ibanez"},
	domain:      "example.mx",
}

var japanese = names{
	given:       []string{"太郎", "花子", "翔太", "さくら", "健一", "美咲"},
	family:      []string{"田中", "佐藤", "鈴木", "高橋", "渡辺", "𠮷田"},
	givenLatin:  []string{"taro", "hanako", "shota", "sakura", "kenichi", "misaki"},
	familyLatin: []string{"tanaka", "sato", "suzuki", "takahashi", "watanabe", "yoshida"},
	familyFirst: true,
	domain:      "example.jp",
}

var korean = names{
	given:       []string{"철수", "영희", "민준", "서연", "지우", "하은"},
	family:      []string{"김", "이", "박", "최", "정", "강"},
	givenLatin:  []string{"cheolsu", "younghee", "minjun", "seoyeon", "jiwoo", "haeun"},
	familyLatin: []string{"kim", "lee", "park", "choi", "jung", "kang"},
	familyFirst: true,
	domain:      "example.kr",
}

var arabic = names{
	given:       []string{"فاطمة", "محمد", "نورة", "يوسف"},
	family:      []string{"الصباح", "العتيبي", "المطيري", "الكندري"},
	givenLatin:  []string{"fatima", "mohammed", "noura", "yousef"},
	familyLatin: []string{"alsabah", "alotaibi", "almutairi", "alkandari"},
	domain:      "example.com.kw",
}

var (
	placesUS = []town{{"San Francisco", "CA", "94111", "354 Oyster Point Blvd"}, {"Brooklyn", "NY", "11201", "12 Water St Apt #4B"}, {"Austin", "TX", "78701", "600 Congress Ave"}, {"Boise", "ID", "83702", "9 N 8th St"}}
	placesDE = []town{{"München", "Bayern", "80331", "Sendlinger Straße 8"}, {"Köln", "Nordrhein-Westfalen", "50667", "Domkloster 4"}, {"Berlin", "Berlin", "10115", "Chausseestraße 21"}}
	placesGB = []town{{"London", "", "EC1A 1BB", "1 St Martin's Le Grand"}, {"Manchester", "", "M1 1AE", "22 Piccadilly"}, {"Cardiff", "Wales", "CF10 1EP", "Heol y Frenhines 3"}}
	placesAU = []town{{"Sydney", "NSW", "2000", "48 Pitt St"}, {"Melbourne", "VIC", "3000", "200 Spencer St"}, {"Perth", "WA", "6000", "7 Hay St"}}
	placesSE = []town{{"Göteborg", "", "411 03", "Östra Hamngatan 5"}, {"Malmö", "", "211 20", "Södergatan 14"}}
	placesNL = []town{{"Amsterdam", "Noord-Holland", "1012 JS", "Dam 1"}, {"Utrecht", "Utrecht", "3511 CJ", "Oudegracht 158"}}
	placesFR = []town{{"Paris", "", "75011", "3 Rue de la Roquette"}, {"Orléans", "", "45000", "14 Place de l'Étape"}}
	placesJP = []town{{"渋谷区", "東京都", "150-0002", "渋谷2丁目24-12"}, {"大阪市北区", "大阪府", "530-0001", "梅田3-1-3"}}
	placesKR = []town{{"서울특별시", "강남구", "06236", "테헤란로 152"}, {"부산광역시", "해운대구", "48058", "센텀중앙로 79"}}
	placesCA = []town{{"Montréal", "QC", "H2Y 1C6", "85 Rue Notre-Dame E"}, {"Toronto", "ON", "M5V 2T6", "301 Front St W"}}
	placesKW = []town{{"مدينة الكويت", "العاصمة", "15000", "شارع فهد السالم 12"}}
	placesIS = []town{{"Reykjavík", "", "101", "Laugavegur 26"}}
	placesMX = []town{{"Ciudad de México", "CDMX", "06600", "Av. Paseo de la Reforma 222"}}
)

// An article of the shop, named as in Adobe Commerce's sample catalogue.
type article struct {
	sku, name string
	usd       float64
}

var articles = []article{
	{"24-MB01", "Joust Duffle Bag", 34},
	{"24-MB04", "Strive Shoulder Pack", 32},
	{"24-MB03", "Crown Summit Backpack", 38},
	{"24-WB05", "Savvy Shoulder Tote", 32},
	{"24-WG085", "Sprite Yoga Strap 6 foot", 14},
	{"24-UG06", "Affirm Water Bottle", 7},
	{"24-UG07", "Dual Handle Cardio Ball", 12},
	{"24-MG04", "Aim Analog Watch", 45},
	{"24-WG02", "Didi Sport Watch", 92},
	{"24-MG02", "Dash Digital Watch", 92},
	{"240-LV05", "Fitness Bundle, 6 months", 119},
	{"MH01", "Chaz Kangeroo Hoodie", 52},
	{"MJ12", "Proteus Fitness Jackshirt", 45},
	{"WS12", "Radiant Tee", 22},
	{"WP04", "Cora Parachute Pant", 75},
	{"MT07", "Argus All-Weather Tank", 22},
	{"HX-900", "Helix 900 Rowing Machine", 899},
	{"BX-22", "Boulder Adjustable Bench", 249},
}

var addOns = []string{"gift-wrap", "protect-2y", "express", "care-kit"}

var cardBrands = []string{"visa", "visa", "visa", "mastercard", "mastercard", "amex", "jcb"}

var klarnaCategories = []string{"pay_later", "pay_in_installments", "pay_with_financing", "pay_now", ""}

var klarnaShares = []float64{40, 34, 8, 17, 1}
