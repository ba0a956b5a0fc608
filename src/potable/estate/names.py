"""Word lists of the invented workforce: given names, surnames, cities and streets of four countries.

Lists are ordered from common to rare; people.py draws from them with falling weights, so common full
names are shared by several people. Underscores stand for blanks inside one name. Everything can be
written in Latin-1, because the older review system knows nothing else. Some names are also English
words (Will, Mark, Grace, May, Young), which is on purpose.
"""

from __future__ import annotations

COUNTRIES = ("IN", "US", "GB", "DE")
COUNTRY_SHARE = (0.40, 0.28, 0.14, 0.18)

_GIVEN_FEMALE = {
    "IN": """
        Priya Anjali Sunita Kavita Pooja Neha Divya Deepa Lakshmi Meera Ananya Shreya Rekha Swati
        Asha Nisha Geeta Sneha Ritu Aishwarya Radha Sarita Usha Vidya Jyoti Manisha Preeti Rani
        Seema Shalini Tanvi Uma Vandana Yamini Zoya Fatima Ayesha Harpreet Gurleen Simran Ishita
        Kritika Mansi Nandini Padma Pallavi Rashmi Sangeeta Shobha Sushma Tara Aparna Bhavna Chitra
        Durga Esha Gauri Hema Indira Janaki Kamala Latha Madhuri Namrata
    """,
    "US": """
        Jennifer Jessica Ashley Sarah Emily Amanda Elizabeth Melissa Michelle Kimberly Maria Lisa
        Angela Stephanie Nicole Grace Hope Faith Rose Joy Olivia Emma Sophia Isabella Ava Mia
        Abigail Madison Hannah Samantha Rachel Lauren Megan Brittany Kayla Danielle Rebecca Laura
        Amy Heather Christina Julie Karen Susan Linda Barbara Patricia Nancy Carol Sandra Donna
        Sharon Cynthia Kathleen Brenda Pamela Deborah Latoya Shanice Imani Guadalupe Carmen Rosa Luz
        June April May Autumn
    """,
    "GB": """
        Charlotte Sophie Emma Olivia Chloe Lucy Hannah Jessica Rebecca Gemma Laura Claire Victoria
        Alice Amelia Isla Poppy Freya Ivy Florence Daisy Evie Rosie Phoebe Imogen Harriet Georgina
        Beatrice Eleanor Fiona Morag Eilidh Catriona Siobhan Niamh Aoife Bronwyn Cerys Megan
        Rhiannon Nicola Tracey Sharon Julie Karen Alison Helen Joanne Zainab Aisha Mariam Parminder
        Hazel Iris Penelope Felicity
    """,
    "DE": """
        Anna Maria Julia Katharina Sabine Petra Claudia Nicole Stefanie Susanne Andrea Birgit Monika
        Ursula Karin Heike Martina Gabriele Renate Ingrid Lena Lea Laura Sophie Hannah Mia Emma
        Johanna Franziska Jana Sarah Lisa Kerstin Anja Silke Tanja Ulrike Bettina Christine Elke
        Jutta Bärbel Käthe Jördis Annegret Hannelore Liselotte Mareike Svenja Wiebke Ayse Elif Fatma
        Zeynep Aleksandra Agnieszka Anna-Lena Marie-Luise Eva-Maria Ann-Kathrin Rosemarie Heidi
    """,
}
_GIVEN_MALE = {
    "IN": """
        Rahul Amit Rajesh Sanjay Vijay Suresh Ramesh Anil Sunil Arjun Rohit Vikram Deepak Manoj Ajay
        Ashok Arun Karthik Prakash Ravi Sandeep Mohammed Abdul Imran Salman Gurpreet Harjit Manpreet
        Jaspreet Aditya Ankit Ashwin Bharat Chandra Dinesh Gaurav Girish Gopal Harish Hemant Jagdish
        Kiran Krishna Lalit Mahesh Mukesh Naveen Nikhil Nitin Pankaj Pradeep Pranav Praveen Rakesh
        Sachin Satish Shankar Siddharth Srinivas Tarun Uday Varun Venkatesh Vinod Vishal Vivek Yash
        Dev Om
    """,
    "US": """
        Michael James John Robert David William Christopher Matthew Joseph Daniel Joshua Andrew Ryan
        Brian Will Mark Grant Chase Drew Rich Frank Art Jack Anthony Kevin Jason Eric Brandon Justin
        Tyler Kyle Aaron Adam Nathan Zachary Jose Juan Carlos Luis Miguel Jesus Antonio Jamal
        Darnell Tyrone DeShawn Malik Steven Thomas Timothy Jeffrey Scott Gregory Patrick Dennis
        Jerry Raymond Peter Henry Walter Harold Douglas Carl Arthur Roger Keith Terry Lawrence Sean
        Austin Jordan Dylan Logan Mason
    """,
    "GB": """
        James Thomas Jack Daniel Matthew Joshua William George Harry Oliver Charlie Alfie Oscar
        Archie Leo Mohammed Muhammad Omar Yusuf David Andrew Paul Mark Stephen Ian Graham Keith
        Nigel Trevor Colin Gareth Rhys Dylan Owen Evan Callum Hamish Angus Ewan Fraser Rory Liam
        Connor Sean Declan Ciaran Gurdeep Rupert Hugo Sebastian Tristan Barnaby Giles Simon Adrian
        Neil Stuart Craig Will Grant
    """,
    "DE": """
        Michael Thomas Andreas Stefan Christian Peter Markus Martin Frank Jürgen Klaus Wolfgang Uwe
        Matthias Jörg Bernd Ralf Dirk Günther Werner Holger Karsten Torsten Jens Lars Sven Jan Tim
        Tobias Sebastian Florian Daniel Alexander Lukas Leon Finn Jonas Paul Felix Maximilian Moritz
        Niklas Philipp Hans-Peter Karl-Heinz Hans-Jürgen Ernst-August Heinz Horst Manfred Dieter
        Rüdiger Götz Björn Sören Mehmet Mustafa Ahmet Piotr Krzysztof Ivan Dimitri
    """,
}
_SURNAMES = {
    "IN": """
        Sharma Singh Kumar Patel Gupta Reddy Iyer Nair Rao Das Khan Verma Joshi Mehta Shah Desai
        Menon Pillai Kaur Agarwal Banerjee Mukherjee Chatterjee Ghosh Bose Sen Dutta Roy Chopra
        Kapoor Malhotra Khanna Bhatia Arora Sethi Ahuja Bajaj Jain Mishra Pandey Tiwari Dubey Shukla
        Trivedi Chauhan Rathore Yadav Naidu Krishnan Subramanian Venkataraman Ramachandran
        Balakrishnan Natarajan Hegde Shetty Kulkarni Deshpande Patil Pawar Jadhav Gaikwad Ansari
        Siddiqui Qureshi Sheikh Hussain Ahmed Fernandes D'Souza Pereira Thomas Mathew Varghese
        Kurian Sinha Prasad Saxena Srivastava Mathur Bhatt Thakur Gill Dhillon Sandhu Grewal Chawla
        Anand Bhattacharya Chakraborty Mohanty Panda
    """,
    "US": """
        Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez
        Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris
        Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill
        Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips
        Evans Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook
        Rogers Gutierrez Ortiz Morgan Cooper Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward
        Richardson Watson Brooks Chavez Wood James Bennett Gray Mendoza Ruiz Hughes Price Alvarez
        Castillo Sanders Patel Myers Long Ross Foster O'Brien O'Connor McDonald Van_Buren Little
        Best Good Rich Small Strong Love Day Summers Park Chen Wang
    """,
    "GB": """
        Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Robinson Wright Thompson Evans
        Walker White Roberts Green Hall Wood Jackson Clarke Khan Hughes Edwards Turner Hill Cooper
        Ward Moore Morris King Watson Baker Harrison Young Allen Mitchell James Scott Bell Lee
        Phillips Carter Singh Begum Ahmed Ali Hussain Campbell Stewart MacDonald MacLeod Fraser
        Murray Ross O'Neill O'Sullivan Fitzgerald Murphy Kelly Ryan Llewellyn Pritchard Griffiths
        Powell Price Lloyd Owen Morgan Bennett Cook Shaw Gray Ellis Marshall Chapman Webb Rogers
        Stevens Hunt Palmer Holmes Mills Knight Lane Ashworth Cholmondeley Featherstone Winterbottom
        Higginbottom St_John Long Swift Sharp Short
    """,
    "DE": """
        Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch
        Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann
        Lange Schmitt Werner Schmitz Krause Meier Lehmann Schmid Schulze Maier Köhler Herrmann König
        Walter Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Schubert Vogel
        Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht
        Schuster Simon Ludwig Böhm Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger Otto
        Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf Schulte Dietrich Ziegler Kuhn Kühn
        Pohl Engel Horn Busch Bergmann Thomas Voigt Sauer Arnold Wolff Pfeiffer von_Hagen
        von_der_Heide zu_Solms Yilmaz Kaya Demir Öztürk Nowak Kowalski Weiss Mueller Gross
    """,
}
CITIES = {
    "IN": """
        Bengaluru Mumbai Hyderabad Pune Chennai New_Delhi Gurugram Noida Kolkata Ahmedabad Kochi
        Jaipur
    """,
    "US": """
        New_York Chicago Austin Denver Seattle Atlanta Boston Phoenix Dallas San_Jose Columbus
        Charlotte
    """,
    "GB": """
        London Manchester Birmingham Leeds Glasgow Bristol Edinburgh Cardiff Sheffield Liverpool
        Reading York
    """,
    "DE": """
        Berlin Hamburg München Köln Frankfurt_am_Main Stuttgart Düsseldorf Leipzig Nürnberg Münster
        Jena Ulm
    """,
}
STREETS = {
    "IN": """
        M.G._Road Park_Street Linking_Road Brigade_Road Anna_Salai Nehru_Nagar Station_Road
        Lake_View_Road Gandhi_Marg Temple_Street Hill_Road Residency_Road Church_Street Ring_Road
        Tilak_Road Sector_14
    """,
    "US": """
        Main_St Oak_Ave Maple_Dr Cedar_Ln Washington_Blvd Lake_View_Rd Park_Ave 2nd_St Elm_St
        Sunset_Blvd Lincoln_Way Hillcrest_Dr Pine_St River_Rd Church_St Jefferson_Ave
    """,
    "GB": """
        High_Street Station_Road Church_Lane Victoria_Road Green_Lane Manor_Road Park_Avenue
        Mill_Lane The_Crescent King's_Road Queen's_Drive London_Road St_Mary's_Close Windsor_Terrace
        Chapel_Row West_End
    """,
    "DE": """
        Hauptstraße Bahnhofstraße Gartenweg Schulstraße Lindenallee Bergstraße Kirchgasse Mühlenweg
        Goethestraße Am_Markt Rosenweg Schillerplatz Große_Gasse Königsallee Straße_der_Einheit
        Birkenweg
    """,
}


def words(text: str) -> list[str]:
    """The words of one list, underscores turned into blanks."""
    return [word.strip("_").replace("_", " ") for word in text.split()]


def given_names(country: str) -> tuple[list[str], list[str]]:
    """Female and male given names of a country, common ones first."""
    return words(_GIVEN_FEMALE[country]), words(_GIVEN_MALE[country])


def surnames(country: str) -> list[str]:
    """Surnames of a country, common ones first."""
    return words(_SURNAMES[country])
