namespace Millrace.Server.Security;

/// <summary>
/// Where the certificate of <c>https://</c> and <c>stomps://</c> addresses stands: either a PEM file with its key's file, or a PKCS #12 file. Read again when the files
/// change. Immutable; validated when the server starts.
/// </summary>
public sealed record CertificateOptions
{
    /// <summary>A PEM file: the server's certificate first, then those between it and the root.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>A PEM file with the certificate's private key. It may be the same file.</summary>
    public string? KeyFile { get; init; }

    /// <summary>A PKCS #12 file (<c>.pfx</c>, <c>.p12</c>) with the certificate, its private key, and those between it and the root.</summary>
    public string? PfxFile { get; init; }

    /// <summary>A file whose first line is the password of the key's or the PKCS #12 file. None unless set.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>Every file that is set.</summary>
    internal IReadOnlyList<string> Files => [.. new[] { CertificateFile, KeyFile, PfxFile, PasswordFile }.OfType<string>().Distinct()];

    /// <summary>Throws if the files that are set do not make one certificate.</summary>
    /// <exception cref="MillraceConfigurationException">Says which are missing or too many.</exception>
    internal void Validate()
    {
        var isPem = CertificateFile is not null && KeyFile is not null && PfxFile is null;
        var isPfx = PfxFile is not null && CertificateFile is null && KeyFile is null;
        if (!isPem && !isPfx)
        {
            throw new MillraceConfigurationException($"A certificate is {nameof(CertificateFile)} with {nameof(KeyFile)} (PEM), or {nameof(PfxFile)} alone (PKCS #12).");
        }
    }
}
