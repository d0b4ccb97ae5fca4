# Where things go on a server: `cmake --install` and the Debian package (cpack) share these rules.
#
# The programs lie together in libexec, since each finds its fellows beside itself; the one that
# people call is linked into bin. Paths below / in the unit files are those of prefix /usr.
include(GNUInstallDirs)

set(programs ${CMAKE_INSTALL_LIBEXECDIR}/congvu)
install(TARGETS congvu congvu-smtpd congvu-imapd congvu-spamfilter congvu-extract
	RUNTIME DESTINATION ${programs})
install(CODE "
	set(bin \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
	file(MAKE_DIRECTORY \"\${bin}\")
	file(CREATE_LINK ../${programs}/congvu \"\${bin}/congvu\" SYMBOLIC)")

# A page for each command, a catalogue for each language, completion for two shells.
set(made ${CMAKE_BINARY_DIR}/made)
add_custom_command(OUTPUT ${made}/stamp
	COMMAND ${CMAKE_COMMAND} -E rm -rf ${made}
	COMMAND ${CMAKE_COMMAND} -E make_directory ${made}/man ${made}/locale
	COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0
		$<TARGET_FILE:congvu> manual --all ${made}/man
	COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0
		$<TARGET_FILE:congvu> completion bash > ${made}/congvu.bash
	COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0
		$<TARGET_FILE:congvu> completion zsh > ${made}/_congvu
	COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/texts.py ${CMAKE_SOURCE_DIR}
		--compile ${made}/locale
	COMMAND ${CMAKE_COMMAND} -E touch ${made}/stamp
	DEPENDS congvu ${CMAKE_SOURCE_DIR}/tools/texts.py ${CMAKE_SOURCE_DIR}/conf/locale/vi.po)
add_custom_target(manuals ALL DEPENDS ${made}/stamp)
install(DIRECTORY ${made}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(DIRECTORY ${made}/locale/ DESTINATION ${CMAKE_INSTALL_LOCALEDIR})
install(FILES ${made}/congvu.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
	RENAME congvu)
install(FILES ${made}/_congvu DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

foreach(section 1 5 8)
	file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.${section})
	install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES README.md ARCHITECTURE.md SECURITY.md LICENSE
	DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs
	PATTERN man EXCLUDE PATTERN adr EXCLUDE PATTERN pictures EXCLUDE)
install(FILES conf/congvu.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(DIRECTORY conf/ldap conf/web DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
	USE_SOURCE_PERMISSIONS)
# The lists that are built into the programs: to look at, and to start one's own from.
install(DIRECTORY conf/policy DESTINATION ${CMAKE_INSTALL_DATADIR}/congvu)

install(FILES conf/systemd/congvu.service DESTINATION lib/systemd/system)
install(FILES conf/systemd/congvu.sysusers DESTINATION lib/sysusers.d RENAME congvu.conf)
install(FILES conf/systemd/congvu.tmpfiles DESTINATION lib/tmpfiles.d RENAME congvu.conf)
install(FILES conf/systemd/congvu.logrotate DESTINATION /etc/logrotate.d RENAME congvu)

# What the programs are made of, and of what (SEC-06): SPDX 2.3, from the programs as linked.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
install(CODE "
	execute_process(COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/sbom.py
		--version ${PROJECT_VERSION} --source ${CMAKE_SOURCE_DIR}
		--output \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}/sbom.spdx.json\"
		${CMAKE_BINARY_DIR}/bin COMMAND_ERROR_IS_FATAL ANY)")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME congvu)
set(CPACK_PACKAGE_VENDOR congvu)
set(CPACK_PACKAGE_CONTACT "congvu <postmaster@congvu.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "official mail for a province: SMTP, IMAP, filter, directory")
set(CPACK_PACKAGE_DESCRIPTION "congvu takes, filters, stores, serves and sends the mail of a Vietnamese
province, publishes its staff directory, and tells its operators what is wrong and what to do.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser | systemd, tzdata, ca-certificates")
# Loaded when they are there: text of PDF, codes in pictures; the rest is beside us, not in us.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libpoppler-glib8, libzbar0, clamav-daemon, unbound")
set(CPACK_DEBIAN_PACKAGE_PROVIDES "mail-transport-agent, imap-server, pop3-server")
set(CPACK_DEBIAN_PACKAGE_CONFLICTS "mail-transport-agent")
set(CPACK_DEBIAN_PACKAGE_REPLACES "mail-transport-agent")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "")
foreach(script preinst postinst prerm postrm conffiles)
	list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/conf/debian/${script})
endforeach()
include(CPack)
