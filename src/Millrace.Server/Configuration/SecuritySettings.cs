namespace Millrace.Server.Configuration;

/// <summary>What configuration says of users, certificates and browsers: names of files and lists, as they were given. Null: not given.</summary>
internal sealed class SecuritySettings
{
    public string? UsersFile { get; set; }

    public string? CertificateFile { get; set; }

    public string? CertificateKeyFile { get; set; }

    public string? CertificatePasswordFile { get; set; }

    public string? CorsOrigins { get; set; }

    public string? AllowedHosts { get; set; }

    public string? AuditFile { get; set; }

    /// <summary>Refuses what is set and would have no effect: who names a users file must not believe that it guards anything.</summary>
    public IEnumerable<string> FindUnsupported() =>
        from setting in new (string Key, string? Value)[]
        {
            ("USERS_FILE", UsersFile),
            ("CERTIFICATE_FILE", CertificateFile),
            ("CERTIFICATE_KEY_FILE", CertificateKeyFile),
            ("CERTIFICATE_PASSWORD_FILE", CertificatePasswordFile),
            ("CORS_ORIGINS", CorsOrigins),
            ("ALLOWED_HOSTS", AllowedHosts),
            ("AUDIT_FILE", AuditFile),
        }
        where setting.Value is not null
        select $"{ConfigurationKey.Server}__{setting.Key} is set to '{setting.Value}', which this version cannot use yet. Remove it.";
}
