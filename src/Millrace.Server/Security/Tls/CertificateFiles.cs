using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Millrace.Server.Security.Tls;

/// <summary>Reads a certificate with its private key, and those between it and the root, from files.</summary>
internal static class CertificateFiles
{
    /// <summary>Reads what the options name.</summary>
    /// <exception cref="MillraceConfigurationException">Names the file, and what is wrong with it.</exception>
    public static (X509Certificate2 Certificate, X509Certificate2Collection Others) Load(CertificateOptions options)
    {
        var password = options.PasswordFile is { } file ? Text(file).Split('\n')[0].TrimEnd('\r') : null;
        return options.PfxFile is { } pfx ? LoadPfx(pfx, password) : LoadPem(options.CertificateFile!, options.KeyFile!, password);
    }

    private static (X509Certificate2 Certificate, X509Certificate2Collection Others) LoadPem(string certificateFile, string keyFile, string? password)
    {
        var all = new X509Certificate2Collection();
        var certificateText = Text(certificateFile);
        var keyText = Text(keyFile);
        try
        {
            all.ImportFromPem(certificateText);
        }
        catch (CryptographicException exception)
        {
            throw new MillraceConfigurationException($"{certificateFile} is no certificate in PEM: {exception.Message}", exception);
        }

        if (all.Count == 0)
        {
            throw new MillraceConfigurationException($"{certificateFile} has no certificate in PEM (-----BEGIN CERTIFICATE-----).");
        }

        RequireKey(keyFile, keyText, password);
        try
        {
            using var certificate = password is not null && IsEncrypted(keyText)
                ? X509Certificate2.CreateFromEncryptedPem(certificateText, keyText, password)
                : X509Certificate2.CreateFromPem(certificateText, keyText);
            all.RemoveAt(0);
            return (Usable(certificate), all);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new MillraceConfigurationException(
                $"The key {keyFile} does not belong to the certificate {certificateFile}{(password is null ? "" : ", or its password is wrong")}: {exception.Message}", exception);
        }
    }

    private static (X509Certificate2 Certificate, X509Certificate2Collection Others) LoadPfx(string file, string? password)
    {
        X509Certificate2Collection all;
        try
        {
            all = X509CertificateLoader.LoadPkcs12Collection(Bytes(file), password);
        }
        catch (CryptographicException exception)
        {
            throw new MillraceConfigurationException($"{file} is no PKCS #12 file, or its password is wrong: {exception.Message}", exception);
        }

        var certificate = all.FirstOrDefault(candidate => candidate.HasPrivateKey)
            ?? throw new MillraceConfigurationException($"{file} has no certificate with a private key.");
        all.Remove(certificate);
        return (certificate, all);
    }

    private static void RequireKey(string keyFile, string keyText, string? password)
    {
        if (!keyText.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            throw new MillraceConfigurationException($"{keyFile} has no private key in PEM (-----BEGIN PRIVATE KEY-----).");
        }

        if (IsEncrypted(keyText) && password is null)
        {
            throw new MillraceConfigurationException($"The key {keyFile} is encrypted: set {nameof(CertificateOptions.PasswordFile)} to a file with its password.");
        }
    }

    private static bool IsEncrypted(string keyText) => keyText.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal);

    // The key of a certificate from PEM is not of the kind that TLS on Windows takes; through PKCS #12 it is, everywhere.
    private static X509Certificate2 Usable(X509Certificate2 certificate) =>
        X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null);

    private static string Text(string file) => System.Text.Encoding.UTF8.GetString(Bytes(file));

    private static byte[] Bytes(string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new MillraceConfigurationException($"There is no file {file}, which the certificate options name.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MillraceConfigurationException($"The file {file}, which the certificate options name, cannot be read: {exception.Message}", exception);
        }
    }
}
