namespace Millrace.Testing.Servers;

/// <summary>The certificate of Redis servers that tests start, for their clients and for each other. All are PEM files. They want certificates of this authority from their clients too.</summary>
/// <param name="CertificateFile">The certificate, for servers and clients alike.</param>
/// <param name="KeyFile">Its key.</param>
/// <param name="AuthorityFile">Who has signed it.</param>
public sealed record LocalRedisTls(string CertificateFile, string KeyFile, string AuthorityFile)
{
    /// <summary>As settings of a configuration file, and with <c>--</c> before each as arguments of a server.</summary>
    internal IEnumerable<(string Name, string Value)> Settings =>
    [
        ("tls-cert-file", CertificateFile), ("tls-key-file", KeyFile), ("tls-ca-cert-file", AuthorityFile), ("tls-replication", "yes"), ("tls-cluster", "yes"),
    ];

    /// <summary>As arguments of redis-cli, which does not look at the name in the certificate.</summary>
    internal IEnumerable<string> ClientArguments => ["--tls", "--insecure", "--cert", CertificateFile, "--key", KeyFile];
}
