using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Millrace.Storage.Http;

/// <summary>Whether a server is the one that its URL names, by its certificate. Keeps why not, in words for people. Safe for concurrent use.</summary>
/// <param name="authorities">Whom to believe; null for those of the system.</param>
internal sealed class ServerTrust(X509Certificate2Collection? authorities)
{
    private string? _fault;

    /// <summary>Why the last server was not believed; null when it was.</summary>
    public string? Fault => Volatile.Read(ref _fault);

    /// <summary>Judges a certificate, after the framework has compared its name and built its chain.</summary>
    public bool Trusts(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        var fault = FindFault(certificate as X509Certificate2, chain, errors);
        Volatile.Write(ref _fault, fault);
        return fault is null;
    }

    private string? FindFault(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null || chain is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return "it has sent no certificate";
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return $"its certificate ({certificate.Subject}) is for {Join(NamesOf(certificate))}";
        }

        if (authorities is null)
        {
            return errors == SslPolicyErrors.None ? null : DescribeChain(certificate, chain);
        }

        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        return chain.Build(certificate) ? null : DescribeChain(certificate, chain);
    }

    private static IEnumerable<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(address => address.ToString())));

    private static string DescribeChain(X509Certificate2 certificate, X509Chain chain) =>
        $"its certificate ({certificate.Subject}, issued by {certificate.Issuer}) is not trusted: {Join(chain.ChainStatus.Select(status => status.StatusInformation.Trim().TrimEnd('.')).Distinct())}";

    private static string Join(IEnumerable<string> parts) => string.Join(", ", parts.DefaultIfEmpty("no host"));
}
