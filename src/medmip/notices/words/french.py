"""Notices in French."""

from medmip.notices.event import Kind
from medmip.notices.words import Words

FRENCH = Words(
    sentences={
        Kind.EXPERIMENT_FINISHED: (
            "Une expérience est terminée.",
            "{count} expériences sont terminées.",
        ),
        Kind.EXPERIMENT_FAILED: (
            "Une expérience a échoué.",
            "{count} expériences ont échoué.",
        ),
        Kind.EXPERIMENT_REFUSED: (
            "Le gardien de la vie privée a refusé une expérience.",
            "Le gardien de la vie privée a refusé {count} expériences.",
        ),
        Kind.SCANS_FINISHED: (
            "Un examen a été pris en charge.",
            "{count} examens ont été pris en charge.",
        ),
        Kind.SCANS_FAILED: (
            "Un examen n'a pas pu être pris en charge ou mesuré.",
            "{count} examens n'ont pas pu être pris en charge ou mesurés.",
        ),
        Kind.SCANS_WAITING: (
            "Un examen attend une relecture.",
            "{count} examens attendent une relecture.",
        ),
        Kind.IMPORT_PUBLISHED: (
            "Une version d'un jeu de données a été publiée depuis la réception.",
            "{count} versions de jeux de données ont été publiées depuis la réception.",
        ),
        Kind.IMPORT_REFUSED: (
            "Un fichier de la réception n'a pas pu être publié.",
            "{count} fichiers de la réception n'ont pas pu être publiés.",
        ),
        Kind.BACKUP_FAILED: (
            "Une sauvegarde a échoué. Voir `mip deploy logs mip-backup`.",
            "{count} sauvegardes ont échoué. Voir `mip deploy logs mip-backup`.",
        ),
        Kind.BACKUP_OLD: (
            "La dernière sauvegarde a plus de 26 heures. Pour en lancer une : "
            "`systemctl start mip-backup`.",
            "La dernière sauvegarde a plus de 26 heures. Pour en lancer une : "
            "`systemctl start mip-backup`.",
        ),
        Kind.DRILL_FAILED: (
            "Un exercice de restauration a échoué : la dernière sauvegarde est peut-être "
            "inutilisable.",
            "{count} exercices de restauration ont échoué : la dernière sauvegarde est "
            "peut-être inutilisable.",
        ),
        Kind.SITE_JOINED: (
            "Un hôpital a rejoint la fédération.",
            "{count} hôpitaux ont rejoint la fédération.",
        ),
        Kind.SITE_LEFT: (
            "Un hôpital ne fait plus partie de la fédération.",
            "{count} hôpitaux ne font plus partie de la fédération.",
        ),
        Kind.SITE_LOST: (
            "Un hôpital de la fédération ne donne plus signe de vie.",
            "{count} hôpitaux de la fédération ne donnent plus signe de vie.",
        ),
        Kind.SITE_BACK: (
            "Un hôpital de la fédération donne de nouveau signe de vie.",
            "{count} hôpitaux de la fédération donnent de nouveau signe de vie.",
        ),
        Kind.DISK_LOW: (
            "Moins d'un dixième d'un disque est libre : imports et sauvegardes risquent de "
            "manquer de place.",
            "Moins d'un dixième de {count} disques est libre : imports et sauvegardes risquent "
            "de manquer de place.",
        ),
        Kind.CERTIFICATE_ENDING: (
            "Un certificat expire dans les trois semaines, ou a expiré.",
            "{count} certificats expirent dans les trois semaines, ou ont expiré.",
        ),
        Kind.SERVICE_FAILED: (
            "Un service est tombé et n'a pas été relancé. Voir `mip deploy status`.",
            "Des services sont tombés {count} fois et n'ont pas été relancés. "
            "Voir `mip deploy status`.",
        ),
        Kind.DEPLOYED: (
            "Un déploiement est terminé.",
            "{count} déploiements sont terminés.",
        ),
        Kind.DEPLOYMENT_FAILED: (
            "Un déploiement a échoué. Relancé, il reprend là où il s'est arrêté.",
            "{count} déploiements ont échoué. Relancés, ils reprennent là où ils se sont arrêtés.",
        ),
        Kind.TEST: (
            "Ceci est un essai : les avis arrivent.",
            "Ceci est un essai : les avis arrivent.",
        ),
    },
    summary="{count} événements",
    more="et {count} de plus",
    foot="Envoyé parce que mip.toml le demande. Un avis ne contient aucune donnée de patient, ni "
    "rien que quelqu'un ait tapé ; le portail en dit plus.",
)
