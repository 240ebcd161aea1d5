"""One file, one method, one public class. The folder is the catalogue: no list to edit here."""
