"""Notices in German."""

from medmip.notices.event import Kind
from medmip.notices.words import Words

GERMAN = Words(
    sentences={
        Kind.EXPERIMENT_FINISHED: (
            "Ein Experiment ist fertig.",
            "{count} Experimente sind fertig.",
        ),
        Kind.EXPERIMENT_FAILED: (
            "Ein Experiment ist gescheitert.",
            "{count} Experimente sind gescheitert.",
        ),
        Kind.EXPERIMENT_REFUSED: (
            "Der Datenschutz-Wächter hat ein Experiment abgelehnt.",
            "Der Datenschutz-Wächter hat {count} Experimente abgelehnt.",
        ),
        Kind.SCANS_FINISHED: (
            "Eine Aufnahme wurde übernommen.",
            "{count} Aufnahmen wurden übernommen.",
        ),
        Kind.SCANS_FAILED: (
            "Eine Aufnahme konnte nicht übernommen oder vermessen werden.",
            "{count} Aufnahmen konnten nicht übernommen oder vermessen werden.",
        ),
        Kind.SCANS_WAITING: (
            "Eine Aufnahme wartet auf eine Durchsicht.",
            "{count} Aufnahmen warten auf eine Durchsicht.",
        ),
        Kind.IMPORT_PUBLISHED: (
            "Eine Version eines Datensatzes wurde aus dem Eingang veröffentlicht.",
            "{count} Versionen von Datensätzen wurden aus dem Eingang veröffentlicht.",
        ),
        Kind.IMPORT_REFUSED: (
            "Eine Datei im Eingang konnte nicht veröffentlicht werden.",
            "{count} Dateien im Eingang konnten nicht veröffentlicht werden.",
        ),
        Kind.BACKUP_FAILED: (
            "Eine Sicherung ist gescheitert. Siehe `mip deploy logs mip-backup`.",
            "{count} Sicherungen sind gescheitert. Siehe `mip deploy logs mip-backup`.",
        ),
        Kind.BACKUP_OLD: (
            "Die neueste Sicherung ist älter als 26 Stunden. `systemctl start mip-backup` "
            "beginnt eine.",
            "Die neueste Sicherung ist älter als 26 Stunden. `systemctl start mip-backup` "
            "beginnt eine.",
        ),
        Kind.DRILL_FAILED: (
            "Eine Wiederherstellungsübung ist gescheitert: Die neueste Sicherung taugt "
            "vielleicht nichts.",
            "{count} Wiederherstellungsübungen sind gescheitert: Die neueste Sicherung taugt "
            "vielleicht nichts.",
        ),
        Kind.SITE_JOINED: (
            "Ein Krankenhaus ist der Föderation beigetreten.",
            "{count} Krankenhäuser sind der Föderation beigetreten.",
        ),
        Kind.SITE_LEFT: (
            "Ein Krankenhaus gehört der Föderation nicht mehr an.",
            "{count} Krankenhäuser gehören der Föderation nicht mehr an.",
        ),
        Kind.SITE_LOST: (
            "Ein Krankenhaus der Föderation gibt kein Lebenszeichen.",
            "{count} Krankenhäuser der Föderation geben kein Lebenszeichen.",
        ),
        Kind.SITE_BACK: (
            "Ein Krankenhaus der Föderation meldet sich wieder.",
            "{count} Krankenhäuser der Föderation melden sich wieder.",
        ),
        Kind.DISK_LOW: (
            "Weniger als ein Zehntel einer Platte ist frei: Importe und Sicherungen finden "
            "vielleicht keinen Platz.",
            "Weniger als ein Zehntel von {count} Platten ist frei: Importe und Sicherungen "
            "finden vielleicht keinen Platz.",
        ),
        Kind.CERTIFICATE_ENDING: (
            "Ein Zertifikat läuft binnen drei Wochen ab oder ist abgelaufen.",
            "{count} Zertifikate laufen binnen drei Wochen ab oder sind abgelaufen.",
        ),
        Kind.SERVICE_FAILED: (
            "Ein Dienst ist ausgefallen und läuft nicht wieder. Siehe `mip deploy status`.",
            "Dienste sind {count}-mal ausgefallen und laufen nicht wieder. "
            "Siehe `mip deploy status`.",
        ),
        Kind.DEPLOYED: (
            "Eine Einrichtung ist fertig.",
            "{count} Einrichtungen sind fertig.",
        ),
        Kind.DEPLOYMENT_FAILED: (
            "Eine Einrichtung ist gescheitert. Noch einmal begonnen, geht sie weiter, wo sie "
            "stehen blieb.",
            "{count} Einrichtungen sind gescheitert. Noch einmal begonnen, gehen sie weiter, wo "
            "sie stehen blieben.",
        ),
        Kind.TEST: (
            "Dies ist eine Probe: Nachrichten kommen an.",
            "Dies ist eine Probe: Nachrichten kommen an.",
        ),
    },
    summary="{count} Ereignisse",
    more="und {count} weitere",
    foot="Gesandt, weil mip.toml es so will. Eine Nachricht enthält keine Daten von Patienten "
    "und nichts, was jemand getippt hat; das Portal sagt mehr.",
)
